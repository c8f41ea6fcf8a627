/** What is packed into a .tflite, and what may be wrong with it. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32, deflateRawSync } from "node:zlib";
import { InputError } from "../errors.js";
import { readTfliteFile } from "../tflite_file.js";

const GRAPH = Buffer.from("\x1c\0\0\0TFL3 and the rest of a graph", "latin1");
const CONFIG = { model_type: "squeezebert", vocab_size: 3 };
const FILES = {
  "config.json": JSON.stringify(CONFIG),
  "vocab.txt": "[PAD]\né\u2028\n##字\n",
  "tokenizer_config.json": '{"do_lower_case": false}',
};

/** A .tflite of such files; `change` may falsify the directory's entry of each. */
function tflite(files, { change = (entry) => entry, level = 6, before = GRAPH } = {}) {
  const parts = [before];
  const directory = [];
  let at = before.length;
  for (const [key, text] of Object.entries(files)) {
    const name = Buffer.from(key);
    const contents = Buffer.from(text);
    const packed = level ? deflateRawSync(contents, { level }) : contents;
    const entry = change({
      method: level ? 8 : 0,
      checksum: crc32(contents),
      packedSize: packed.length,
      size: contents.length,
      at,
    });
    const header = Buffer.alloc(30);
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE(name.length, 26);
    parts.push(header, name, packed);
    at += header.length + name.length + packed.length;
    const record = Buffer.alloc(46);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(entry.method, 10);
    record.writeUInt32LE(entry.checksum, 16);
    record.writeUInt32LE(entry.packedSize, 20);
    record.writeUInt32LE(entry.size, 24);
    record.writeUInt16LE(name.length, 28);
    record.writeUInt32LE(entry.at, 42);
    directory.push(record, name);
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

const CONTENTS = {
  config: CONFIG,
  tokenizerConfig: { do_lower_case: false },
  vocabulary: ["[PAD]", "é\u2028", "##字"],
};

describe("what is in it", () => {
  test("deflated, as bytes or as a buffer", async () => {
    const bytes = new Uint8Array(tflite(FILES));
    assert.deepEqual(await readTfliteFile(bytes), CONTENTS);
    assert.deepEqual(await readTfliteFile(bytes.buffer), CONTENTS);
  });

  test("stored", async () => {
    assert.deepEqual(await readTfliteFile(tflite(FILES, { level: 0 })), CONTENTS);
  });

  test("beside files of other programs", async () => {
    const file = tflite({ "labels.txt": "a\nb", ...FILES, "a/ö": "" });
    assert.deepEqual(await readTfliteFile(file), CONTENTS);
  });

  test("offsets that count from the archive's own start", async () => {
    const archive = tflite(FILES, { before: Buffer.alloc(0) });
    const file = Buffer.concat([GRAPH, archive]);
    assert.deepEqual(await readTfliteFile(file), CONTENTS);
  });

  test("an archive with a comment", async () => {
    const file = Buffer.concat([tflite(FILES), Buffer.from("by hand")]);
    file.writeUInt16LE(7, file.length - 9);
    assert.deepEqual(await readTfliteFile(file), CONTENTS);
  });

  test("without options, and with the line ends of Windows", async () => {
    const { "tokenizer_config.json": _, ...files } = FILES;
    const file = tflite({ ...files, "vocab.txt": "[PAD]\r\na\r\n" });
    assert.deepEqual(await readTfliteFile(file), {
      config: CONFIG,
      tokenizerConfig: {},
      vocabulary: ["[PAD]", "a"],
    });
  });
});

describe("what is wrong with it", () => {
  const refused = async (file, message) =>
    assert.rejects(readTfliteFile(file), (error) => {
      assert.ok(error instanceof InputError, error.stack);
      assert.match(error.message, message);
      assert.match(error.message, /Received: |is not JSON/);
      return true;
    });
  const lie = (what, files = FILES) =>
    tflite(files, { change: (entry) => ({ ...entry, ...what(entry) }) });

  test("no .tflite", async () => {
    await refused(Buffer.alloc(0), /no \.tflite file\. Received: 0 bytes/);
    await refused(Buffer.from("<!doctype html>"), /no \.tflite file/);
  });

  test("cut short anywhere", async () => {
    const file = tflite(FILES);
    for (let length = 8; length < file.length; length++) {
      await refused(file.subarray(0, length), /cut short .* Received: \d+ bytes/);
    }
  });

  test("cut out of the middle", async () => {
    const file = tflite(FILES);
    for (let missing = 1; missing < file.length - 30; missing += 7) {
      const cut = Buffer.concat([file.subarray(0, 8), file.subarray(8 + missing)]);
      // An archive that is whole, or the end of it, may be all that is left.
      await readTfliteFile(cut).then(
        (contents) => assert.deepEqual(contents, CONTENTS),
        (error) => assert.ok(error instanceof InputError, error.stack),
      );
    }
  });

  test("any byte changed", async () => {
    const file = tflite(FILES);
    let noticed = 0;
    for (let at = GRAPH.length; at < file.length; at++) {
      const changed = Buffer.from(file);
      changed[at] ^= 0x55;
      const contents = await readTfliteFile(changed).catch((error) => {
        assert.ok(error instanceof InputError, error.stack);
        noticed += 1;
      });
      if (!contents) continue;
      // The name of the options may be what was changed, and they are not needed.
      const { tokenizerConfig } = contents;
      if (Object.keys(tokenizerConfig).length > 0) assert.deepEqual(contents, CONTENTS);
      else assert.deepEqual({ ...CONTENTS, tokenizerConfig }, contents);
    }
    assert.ok(noticed > 200, `${noticed} noticed`);
  });

  test("sizes and checksums that are lies", async () => {
    await refused(
      lie(({ size }) => ({ size: size + 1 })),
      /damaged\. Received: config\.json of 43 bytes instead of 44/,
    );
    await refused(
      lie(({ size }) => ({ size: size - 1 })),
      /damaged\. Received: config\.json of more than 42 bytes/,
    );
    await refused(
      lie(({ checksum }) => ({ checksum: (checksum ^ 1) >>> 0 })),
      /damaged\. Received: config\.json of 43/,
    );
    await refused(
      lie(() => ({ packedSize: 2 ** 31 })),
      /damaged\. Received: config\.json/,
    );
    await refused(
      lie(() => ({ at: 2 ** 31 })),
      /damaged\. Received: no record/,
    );
    await refused(
      lie(() => ({ method: 12 })),
      /stored or deflated\. Received: method 12/,
    );
  });

  test("more than it says", async () => {
    const bomb = { ...FILES, "config.json": " ".repeat(50 * 2 ** 20) };
    await refused(tflite(bomb), /not be larger than 16777216 .* Received: 52428800/);
    await refused(
      lie(() => ({ size: 10 }), bomb),
      /of more than 10 bytes/,
    );
  });

  test("no vocabulary", async () => {
    const { "vocab.txt": _, ...files } = FILES;
    await refused(tflite(files), /no vocabulary: .* Received: no vocab\.txt/);
  });

  test("another model", async () => {
    const { "config.json": _, ...files } = FILES;
    await refused(tflite(files), /another model.* Received: no config\.json/);
    await refused(
      tflite({ ...FILES, "config.json": '{"model_type": "mobilebert"}' }),
      /another model.* Received: model_type=mobilebert/,
    );
    await refused(
      tflite({ ...FILES, "vocab.txt": "a\nb\nc\nd\n" }),
      /another model.* Received: 4 tokens, vocab_size=3/,
    );
  });

  test("files of another form", async () => {
    await refused(
      tflite({ ...FILES, "config.json": "{" }),
      /^config\.json is not JSON/,
    );
    await refused(
      tflite({ ...FILES, "tokenizer_config.json": "[]" }),
      /tokenizer_config\.json must hold a JSON object. Received: \[\]/,
    );
    await refused(
      tflite({ ...FILES, "vocab.txt": Buffer.from([0x61, 0xff]) }),
      /vocab\.txt must be UTF-8/,
    );
  });
});
