/** The parts of the tokenizer that the golden file does not reach. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { InputError } from "../errors.js";
import { SqueezeBertTokenizer } from "../tokenizer.js";
import { CODE_POINTS, UNCASED } from "./golden.js";

const tokenizer = new SqueezeBertTokenizer(UNCASED, {}, CODE_POINTS);
const SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

function refused(task, message) {
  assert.throws(task, (error) => {
    assert.ok(error instanceof InputError, error.stack);
    assert.match(error.message, message);
    return true;
  });
}

describe("encoding", () => {
  test("tokens of a text", () => {
    assert.deepEqual(tokenizer.tokenize("Unaffable!"), ["una", "##ffa", "##ble", "!"]);
    assert.deepEqual(tokenizer.tokenize(""), []);
  });

  test("arrays that a model takes", () => {
    const encoding = tokenizer.encode("a b", {
      textPair: "c",
      maxLength: 8,
      padding: "max_length",
    });
    assert.deepEqual(encoding, {
      inputIds: Int32Array.of(101, 1037, 1038, 102, 1039, 102, 0, 0),
      attentionMask: Int32Array.of(1, 1, 1, 1, 1, 1, 0, 0),
      tokenTypeIds: Int32Array.of(0, 0, 0, 0, 1, 1, 0, 0),
      offsetMapping: Int32Array.of(0, 0, 0, 1, 2, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0),
    });
  });

  test("the model's own length", () => {
    const text = "a ".repeat(600);
    assert.equal(tokenizer.encode(text).inputIds.length, 512);
    assert.equal(tokenizer.encode("a", { padding: "max_length" }).inputIds.length, 512);
    assert.equal(tokenizer.encode(text, { truncation: false }).inputIds.length, 602);
    const unset = { model_max_length: 1e30 };
    const other = new SqueezeBertTokenizer(UNCASED, unset, CODE_POINTS);
    assert.equal(other.options.modelMaxLength, 512);
  });

  test("ids of the special tokens", () => {
    const { unkTokenId, sepTokenId, padTokenId, clsTokenId, maskTokenId } = tokenizer;
    assert.deepEqual(
      [unkTokenId, sepTokenId, padTokenId, clsTokenId, maskTokenId],
      [100, 102, 0, 101, 103],
    );
  });

  test("arguments that do not fit", () => {
    refused(() => tokenizer.encode(null), /`text` must be a string.* text=null/);
    refused(() => tokenizer.encode(["a"]), /Received: text=\["a"\]/);
    refused(() => tokenizer.tokenize(3), /Received: text=3/);
    refused(() => tokenizer.encode("a", { textPair: 3 }), /Received: textPair=3/);
    refused(() => tokenizer.encode("a", { maxLength: 1 }), /Received: maxLength=1/);
    refused(
      () => tokenizer.encode("a", { textPair: "b", maxLength: 2 }),
      /the 3 special tokens\. Received: maxLength=2/,
    );
    refused(
      () => tokenizer.encode("a", { maxLength: 8.5 }),
      /Received: maxLength=8\.5/,
    );
    refused(() => tokenizer.encode("a", { maxLength: "8" }), /Received: maxLength="8"/);
    refused(
      () => tokenizer.encode("a", { padding: "left" }),
      /Received: padding="left"/,
    );
    refused(
      () => tokenizer.encode("a b c", { maxLength: 4, truncation: false }),
      /has 5 tokens, 1 too many, and truncation is off\. Received: maxLength=4/,
    );
  });
});

describe("making one", () => {
  const make = (vocabulary, config = {}, table = CODE_POINTS) =>
    new SqueezeBertTokenizer(vocabulary, config, table);

  test("vocabularies that are none", () => {
    refused(() => make([]), /lacks a special token\. Received: "\[UNK\]", 0 tokens/);
    refused(() => make([...SPECIAL, ""]), /must not be empty.*vocabulary\[5\]=""/);
    refused(
      () => make([...SPECIAL, "a", "a"]),
      /must differ.*vocabulary\[5\]=vocabulary\[6\]="a"/,
    );
  });

  test("a vocabulary without pieces that continue words", () => {
    const tokens = make([...SPECIAL, "a", "##"]).tokenize("a aa ## a#");
    assert.deepEqual(tokens, ["a", "[UNK]", "[UNK]", "[UNK]", "a", "[UNK]"]);
  });

  test("tables that are none", () => {
    refused(() => make(SPECIAL, {}, ""), /contents of code_points\.txt.*no section/);
    refused(() => make(SPECIAL, {}, "<!doctype html>"), /Received: <!doctype html>/);
    refused(() => make(SPECIAL, {}, `${CODE_POINTS}41 zz\n`), /Received: 41 zz/);
  });

  test("options that are written out", () => {
    const config = {
      strip_accents: null,
      model_max_length: null,
      mask_token: { content: "<mask>", lstrip: false },
      added_tokens_decoder: { 4: { content: "<mask>" } },
      tokenizer_class: "SqueezeBertTokenizer",
    };
    const { options } = make([...SPECIAL, "<mask>"], config);
    assert.equal(options.stripAccents, true);
    assert.equal(options.modelMaxLength, 512);
    assert.deepEqual(options.specialTokens, [
      "[UNK]",
      "[SEP]",
      "[PAD]",
      "[CLS]",
      "<mask>",
    ]);
  });

  test("options that do not fit", () => {
    for (const [config, message] of [
      [{ do_lower_case: "yes" }, /`do_lower_case` is of the wrong type.*="yes"/],
      [{ do_lower_case: null }, /Received: do_lower_case=null/],
      [{ strip_accents: 1 }, /Received: strip_accents=1/],
      [{ mask_token: 4 }, /Received: mask_token=4/],
      [{ model_max_length: "512" }, /Received: model_max_length="512"/],
      [{ model_max_length: 7.5 }, /Received: model_max_length=7\.5/],
      [{ model_max_length: 2 }, /Received: model_max_length=2/],
      [{ mask_token: "[SEP]" }, /must differ from one another/],
      [{ mask_token: "mask" }, /must hold a punctuation mark.*"mask"/],
      [{ mask_token: "!" }, /must hold a punctuation mark.*"!"/],
      [{ added_tokens_decoder: { 9: { content: "<x>" } } }, /adds another.*"<x>"/],
    ]) {
      refused(() => make(SPECIAL, config), message);
    }
  });
});
