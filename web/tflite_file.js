/**
 * What `squeezebert export` packs into a .tflite: its config and its tokenizer.
 *
 * The file ends in a zip archive, which interpreters do not read.
 */

import { InputError } from "./errors.js";

/** Far above any vocabulary; below what would hurt if a crafted file asked for it. */
const MAX_BYTES = 16 * 2 ** 20;

const END_SIZE = 22;
const END_SIGNATURE = 0x06054b50;
const ENTRY_SIZE = 46;
const ENTRY_SIGNATURE = 0x02014b50;
const HEADER_SIZE = 30;
const HEADER_SIGNATURE = 0x04034b50;
const STORED = 0;
const DEFLATED = 8;

/**
 * @typedef {object} TfliteFile
 * @property {object} config The contents of `config.json`.
 * @property {object} tokenizerConfig Those of `tokenizer_config.json`.
 * @property {string[]} vocabulary The tokens in the order of their ids.
 */

/**
 * Reads the companions of a model from its file.
 *
 * @param {ArrayBuffer | Uint8Array} file All bytes of the .tflite.
 * @returns {Promise<TfliteFile>}
 * @throws {InputError} It is no .tflite, was cut short or is damaged, lacks a
 *     vocabulary, or is of another model.
 */
export async function readTfliteFile(file) {
  const bytes = file instanceof Uint8Array ? file : new Uint8Array(file);
  if (ascii(bytes.subarray(4, 8)) !== "TFL3") {
    throw new InputError(
      `This is no .tflite file. Received: ${bytes.length} bytes without its mark, TFL3`,
    );
  }
  const entries = readDirectory(bytes);
  const read = async (name) =>
    entries.has(name) ? utf8(name, await unpack(bytes, name, entries.get(name))) : null;
  const config = json("config.json", await read("config.json"));
  if (config?.model_type !== "squeezebert") {
    throw new InputError(
      "This .tflite is of another model: config.json in it must say " +
        '"model_type": "squeezebert". ' +
        `Received: ${config ? `model_type=${config.model_type}` : "no config.json"}`,
    );
  }
  const vocabulary = lines(await read("vocab.txt"));
  if (vocabulary.length > config.vocab_size) {
    throw new InputError(
      "The vocabulary is of another model: it has more tokens than the model. " +
        `Received: ${vocabulary.length} tokens, vocab_size=${config.vocab_size}`,
    );
  }
  const tokenizerConfig = json(
    "tokenizer_config.json",
    (await read("tokenizer_config.json")) ?? "{}",
  );
  return { config, tokenizerConfig, vocabulary };
}

/** Where each packed file lies, by its name. */
function readDirectory(bytes) {
  const end = findEnd(bytes);
  const view = viewOf(bytes, end, END_SIZE);
  const size = view.getUint32(12, true);
  const start = end - size;
  // Offsets count from where the archive begins, which may not be the file's start.
  const shift = start - view.getUint32(16, true);
  const entries = new Map();
  for (let at = start, left = view.getUint16(10, true); left > 0; left--) {
    const entry = viewOf(bytes, at, ENTRY_SIZE, ENTRY_SIGNATURE);
    const nameLength = entry.getUint16(28, true);
    const nameStart = at + ENTRY_SIZE;
    entries.set(ascii(bytes.subarray(nameStart, nameStart + nameLength)), {
      method: entry.getUint16(10, true),
      checksum: entry.getUint32(16, true),
      packedSize: entry.getUint32(20, true),
      size: entry.getUint32(24, true),
      header: shift + entry.getUint32(42, true),
    });
    at = nameStart + nameLength + entry.getUint16(30, true) + entry.getUint16(32, true);
  }
  return entries;
}

/** The start of the record that ends a zip archive, but for a comment. */
function findEnd(bytes) {
  const last = bytes.length - END_SIZE;
  for (let at = last; at >= Math.max(0, last - 0xffff); at--) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, END_SIZE);
    const isEnd = view.getUint32(0, true) === END_SIGNATURE;
    if (isEnd && at + END_SIZE + view.getUint16(20, true) === bytes.length) return at;
  }
  throw new InputError(
    "This .tflite carries no config and no vocabulary at its end: either it was cut " +
      "short on its way here, or `squeezebert export` did not write it. " +
      `Received: ${bytes.length} bytes`,
  );
}

async function unpack(bytes, name, { method, checksum, packedSize, size, header }) {
  if (size > MAX_BYTES) {
    throw new InputError(
      `The packed ${name} must not be larger than ${MAX_BYTES} bytes. ` +
        `Received: ${size} bytes`,
    );
  }
  const view = viewOf(bytes, header, HEADER_SIZE, HEADER_SIGNATURE);
  const start =
    header + HEADER_SIZE + view.getUint16(26, true) + view.getUint16(28, true);
  const packed = bytes.subarray(start, start + packedSize);
  if (packed.length < packedSize) throw damaged(`${name} of ${packed.length} bytes`);
  if (method !== STORED && method !== DEFLATED) {
    throw new InputError(
      `The packed ${name} must be stored or deflated. Received: method ${method}`,
    );
  }
  const contents = method === STORED ? packed : await inflate(packed, name, size);
  if (contents.length !== size || crc32(contents) !== checksum) {
    throw damaged(`${name} of ${contents.length} bytes instead of ${size}`);
  }
  return contents;
}

/** At most `size` bytes and the rest of a chunk, whatever the stream holds. */
async function inflate(packed, name, size) {
  const stream = new Blob([packed])
    .stream()
    .pipeThrough(new DecompressionStream("deflate-raw"));
  const contents = new Uint8Array(size);
  let length = 0;
  try {
    for (const reader = stream.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) return contents.subarray(0, length);
      if (length + value.length > size) {
        await reader.cancel();
        break;
      }
      contents.set(value, length);
      length += value.length;
    }
  } catch (error) {
    throw damaged(`${name}, ${error.message}`);
  }
  throw damaged(`${name} of more than ${size} bytes`);
}

function viewOf(bytes, start, size, signature = null) {
  if (start >= 0 && start + size <= bytes.length) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, size);
    if (signature === null || view.getUint32(0, true) === signature) return view;
  }
  throw damaged(`no record at byte ${start} of ${bytes.length}`);
}

function damaged(received) {
  return new InputError(
    `The zip archive at the end of this .tflite is damaged. Received: ${received}`,
  );
}

function ascii(bytes) {
  return String.fromCharCode(...bytes);
}

function utf8(name, bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InputError(`${name} must be UTF-8. Received: other bytes`);
  }
}

function json(name, text) {
  if (text === null) return null;
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${name} is not JSON: ${error.message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InputError(`${name} must hold a JSON object. Received: ${text}`);
  }
  return value;
}

/** The tokens, one a line; they may hold U+2028 and its like. */
function lines(text) {
  if (text === null) {
    throw new InputError(
      "This .tflite carries no vocabulary: give `squeezebert export` a model with its " +
        "tokenizer, or `export_tflite` the argument `tokenizer`. Received: no vocab.txt",
    );
  }
  return text.replace(/\r\n?/g, "\n").replace(/\n$/, "").split("\n");
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0);
  }
  return remainder;
});

function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}
