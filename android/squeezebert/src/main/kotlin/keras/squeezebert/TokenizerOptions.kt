package keras.squeezebert

import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import kotlinx.serialization.json.doubleOrNull

/**
 * The options of a BERT tokenizer, as `tokenizer_config.json` has them.
 *
 * @property doLowerCase Whether texts are put in lower case.
 * @property stripAccents Whether letters lose their accents.
 * @property tokenizeChineseChars Whether each CJK ideograph is a word.
 * @property modelMaxLength The most tokens of a row.
 * @property unkToken Stands for a word that the pieces cannot spell.
 * @property sepToken Ends each text.
 * @property padToken Fills short rows.
 * @property clsToken Starts each row.
 * @property maskToken Stands for a token that the model is to guess.
 * @throws InputError A value is out of its range.
 */
data class TokenizerOptions(
    val doLowerCase: Boolean = true,
    val stripAccents: Boolean = doLowerCase,
    val tokenizeChineseChars: Boolean = true,
    val modelMaxLength: Int = 512,
    val unkToken: String = "[UNK]",
    val sepToken: String = "[SEP]",
    val padToken: String = "[PAD]",
    val clsToken: String = "[CLS]",
    val maskToken: String = "[MASK]",
) {
    /** All five of them. */
    val specialTokens: List<String>
        get() = listOf(unkToken, sepToken, padToken, clsToken, maskToken)

    init {
        if (modelMaxLength < 3) {
            throw InputError(
                "`model_max_length` must leave room for [CLS] and two [SEP]. " +
                    "Received: model_max_length=$modelMaxLength",
            )
        }
        if (specialTokens.distinct().size != specialTokens.size) {
            throw InputError(
                "The special tokens must differ from one another. " +
                    "Received: ${specialTokens.joinToString(" ")}",
            )
        }
        for (token in specialTokens) {
            // Text is split around punctuation, so no word can equal such a token.
            val isLonger = token.codePointCount(0, token.length) > 1
            if (!isLonger || token.none { it in PUNCTUATION }) {
                throw InputError(
                    "A special token must hold a punctuation mark and one more character. " +
                        "Received: \"$token\"",
                )
            }
        }
    }

    companion object {
        /**
         * The options in the contents of a `tokenizer_config.json`; what it lacks has BERT's
         * defaults.
         *
         * @throws InputError It is not JSON, or a value is of another type or out of its range.
         */
        fun parse(json: String): TokenizerOptions =
            tokenizerOptions(jsonObject("tokenizer_config.json", json))
    }
}

private const val PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

/** `transformers` writes 1e30 for "not set". */
private const val UNSET = 2147483648.0

private fun tokenizerOptions(config: JsonObject): TokenizerOptions {
    val default = TokenizerOptions()
    val doLowerCase = config.boolean("do_lower_case") ?: default.doLowerCase
    // JSON's null stands for the default here, and only here.
    val stripAccents =
        if (config["strip_accents"] is JsonNull) {
            null
        } else {
            config.boolean(
                "strip_accents",
            )
        }
    val options =
        TokenizerOptions(
            doLowerCase = doLowerCase,
            stripAccents = stripAccents ?: doLowerCase,
            tokenizeChineseChars =
                config.boolean("tokenize_chinese_chars") ?: default.tokenizeChineseChars,
            modelMaxLength = maxLength(config["model_max_length"]) ?: default.modelMaxLength,
            unkToken = config.token("unk_token") ?: default.unkToken,
            sepToken = config.token("sep_token") ?: default.sepToken,
            padToken = config.token("pad_token") ?: default.padToken,
            clsToken = config.token("cls_token") ?: default.clsToken,
            maskToken = config.token("mask_token") ?: default.maskToken,
        )
    for (added in (config["added_tokens_decoder"] as? JsonObject).orEmpty().values) {
        val content = content(added)
        if (content !in options.specialTokens) {
            throw InputError(
                "Only the five special tokens of BERT can be matched in the text; " +
                    "tokenizer_config.json adds another. Received: \"$content\"",
            )
        }
    }
    return options
}

private fun JsonObject.boolean(name: String): Boolean? =
    this[name]?.let {
        (it as? JsonPrimitive)?.takeUnless { it.isString }?.booleanOrNull
            ?: throw wrongType(name, it)
    }

/** Tokens may be written out, as `{"content": "[MASK]", "lstrip": false}`. */
private fun JsonObject.token(name: String): String? =
    this[name]?.let {
        content(it)
            ?: throw wrongType(name, it)
    }

private fun content(token: JsonElement): String? {
    val text = if (token is JsonObject) token["content"] else token
    return (text as? JsonPrimitive)?.takeIf { it.isString }?.content
}

private fun maxLength(value: JsonElement?): Int? {
    if (value == null || value is JsonNull) return null
    val number = (value as? JsonPrimitive)?.takeUnless { it.isString }?.doubleOrNull
    if (number == null || number % 1 != 0.0) throw wrongType("model_max_length", value)
    return number.takeIf { it < UNSET }?.toInt()
}

private fun wrongType(
    name: String,
    value: JsonElement,
) = InputError("`$name` is of the wrong type. Received: $name=$value")
