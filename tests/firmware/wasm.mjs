// Runs a WebAssembly module of a model: node wasm.mjs MODULE.wasm NAME INPUTS OUTPUTS CASES WORKSPACE_BYTES
// INPUTS and OUTPUTS are files of little-endian floats, all cases one after the other. Prints the largest difference.
import { readFileSync } from "node:fs";
const [file, name, inFile, outFile, cases, workspace] = process.argv.slice(2);
const floats = (f) => { const b = readFileSync(f); return new Float32Array(b.buffer, b.byteOffset, b.length / 4); };
const [x, want] = [floats(inFile), floats(outFile)];
const { exports: e } = (await WebAssembly.instantiate(readFileSync(file))).instance;
const up = (n) => (n + 63) & ~63;
const [nin, nout] = [x.length / cases, want.length / cases];
const input = up(e.__heap_base.value), output = up(input + nin * 4), ws = up(output + nout * 4);
const missing = ws + Number(workspace) - e.memory.buffer.byteLength;
if (missing > 0) e.memory.grow(Math.ceil(missing / 65536));
let error = 0;
for (let c = 0; c < cases; c++) {
  new Float32Array(e.memory.buffer, input, nin).set(x.subarray(c * nin, (c + 1) * nin));
  const status = e[`${name}_run`](input, output, ws);
  if (status !== 0) throw new Error(`status ${status}`);
  new Float32Array(e.memory.buffer, output, nout).forEach((v, i) => { error = Math.max(error, Math.abs(v - want[c * nout + i])); });
}
console.log(error);
