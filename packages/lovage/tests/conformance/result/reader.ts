// A program of its own that waits for one result and prints it. It must end by itself once it has it: nothing here closes anything.
import { createErrorRegistry } from '../../../src/protocol/index.ts';
import { type BackendOptions, createResultCodec, openBackend, ResultStore } from '../../../src/result/index.ts';
import { createSerialization } from '../../../src/serialization/index.ts';

const { options, id } = JSON.parse(process.argv[2] ?? '{}') as { options: BackendOptions; id: string };
const serialization = createSerialization();
const accept = serialization.accept(['json']);
const codec = createResultCodec({ serialization, serializer: 'json', accept, expires: 60, errors: createErrorRegistry() });
const store = new ResultStore(() => openBackend(options), codec);
// The state first: it shows the parent that this program is connected and about to wait.
process.stdout.write(`${await store.result(id).state()}\n`);
process.stdout.write(`${JSON.stringify(await store.result(id).get())}\n`);
