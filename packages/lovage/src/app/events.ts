// `app.events`: the events of all workers and publishers of the app's broker, as a stream, as a live picture, as snapshots; and a way to send some.
import {
  type Camera,
  type CameraOptions,
  type Dispatcher,
  type EventStream,
  followEvents,
  type LiveOptions,
  type LiveState,
  type ReceiveOptions,
  type ReceiverHost,
  receiveEvents,
  startCamera,
} from '../event/index.ts';

/** Options of a live state: which events, how many to keep, whom to tell. */
export interface StateOptions extends ReceiveOptions, LiveOptions {}

/** A camera with the state that it looks at. */
export interface LiveCamera extends Camera {
  readonly live: LiveState;
}

/** The events of an app. */
export interface AppEvents {
  /**
   * Events as they come, from the first look or `ready()` on: `for await (const event of app.events({ signal }))`. It connects again by
   * itself and then says `gap`.
   */
  (options?: ReceiveOptions): EventStream;
  /** A picture of workers and tasks that follows the events until it is closed. */
  state(options?: StateOptions): Promise<LiveState>;
  /** Takes snapshots of such a picture. */
  camera(options: CameraOptions & StateOptions): Promise<LiveCamera>;
  /** Sends an event of your own under the name of this process: `app.events.send('shop-opened', { till: 3 })`. Never waits. */
  send(type: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Makes the events of an app. Opens nothing. */
export function createAppEvents(host: ReceiverHost, dispatcher: () => Dispatcher): AppEvents {
  const receive = (options: ReceiveOptions = {}): EventStream => receiveEvents(host, options);
  const state = (options: StateOptions = {}): Promise<LiveState> =>
    followEvents(receive(options), { clock: host.clock, ...options });
  return Object.assign(receive, {
    state,
    camera: async (options: CameraOptions & StateOptions): Promise<LiveCamera> => {
      const live = await state(options);
      const camera = startCamera(live, options);
      return {
        live,
        get taken() {
          return camera.taken;
        },
        [Symbol.asyncDispose]: async () => {
          await camera[Symbol.asyncDispose]();
          await live[Symbol.asyncDispose]();
        },
      };
    },
    send: (type: string, fields: Readonly<Record<string, unknown>> = {}): void => dispatcher().send(type, fields),
  });
}
