/**
 * The same bytes in memory of their own: for what is kept long after its neighbours. Node cuts small Buffers out of slabs of 64 kB, and one
 * that is kept keeps its slab.
 */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength === bytes.byteLength ? bytes : Uint8Array.prototype.slice.call(bytes);
}
