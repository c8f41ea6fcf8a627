package keras.squeezebert

/**
 * BERT's tokenizer: normaliser, pre-tokeniser and word pieces. It gives the ids that
 * `SqueezeBertTokenizerFast` gives in Python.
 *
 *     val tokenizer = SqueezeBertTokenizer(file.vocabulary, file.tokenizerOptions)
 *     tokenizer.tokenize("Unaffable!") // [una, ##ffa, ##ble, !]
 *
 * Threads may share it. A lone surrogate, which is no text, counts as U+FFFD.
 *
 * @property vocabulary The tokens in the order of their ids.
 * @property options Those of the model; the defaults are uncased BERT's.
 * @throws InputError A token is empty, comes twice, or is a special one that is missing.
 */
class SqueezeBertTokenizer(
    val vocabulary: List<String>,
    val options: TokenizerOptions = TokenizerOptions(),
) {
    private val ids = idsOf(vocabulary)

    val unkTokenId: Int = idOf(options.unkToken)
    val sepTokenId: Int = idOf(options.sepToken)
    val padTokenId: Int = idOf(options.padToken)
    val clsTokenId: Int = idOf(options.clsToken)
    val maskTokenId: Int = idOf(options.maskToken)

    private val specialTokens = pattern(options.specialTokens)
    private val lookup = CodePoints.default.lookup(options)
    private val wordPieces = WordPieces(vocabulary, unkTokenId)

    /**
     * The tokens of a text or of a pair of texts, as a model takes them.
     *
     * @param text The text.
     * @param textPair The second text, of a pair.
     * @param maxLength The most tokens, special ones included; null is the model's,
     *   `options.modelMaxLength`.
     * @param padToMaxLength Whether to fill the row up to `maxLength`.
     * @param truncation Whether to cut a longer row, of a pair the longer text first. If not, it is
     *   an error; with neither `maxLength` nor `padToMaxLength` no row is too long.
     * @throws InputError `maxLength` leaves no room for the special tokens, or the row is too long.
     */
    @JvmOverloads
    fun encode(
        text: String,
        textPair: String? = null,
        maxLength: Int? = null,
        padToMaxLength: Boolean = false,
        truncation: Boolean = true,
    ): Encoding {
        val segments = listOfNotNull(pieces(text), textPair?.let(::pieces))
        val special = 1 + segments.size
        val limit = limit(maxLength, padToMaxLength || truncation, special)

        var kept = segments.map { it.size }
        if (truncation) kept = truncated(kept, limit - special)
        val length = special + kept.sum()
        if (length > limit) {
            throw InputError(
                "The text has $length tokens, ${length - limit} too many, and truncation is off. " +
                    "Received: maxLength=$limit",
            )
        }
        return row(
            segments.zip(kept) { pieces, count -> pieces.slice(0, count) },
            if (padToMaxLength) limit else length,
        )
    }

    /** The tokens of a text, without `[CLS]` and `[SEP]`. */
    fun tokenize(text: String): List<String> =
        pieces(text).run { (0 until size).map { vocabulary[ids[it]] } }

    /** The word pieces of a text of any length, without `[CLS]` and `[SEP]`. */
    internal fun pieces(text: String): Pieces {
        val pieces = Pieces()
        val words = Words(lookup) { wordPieces.append(it, pieces) }
        var start = 0
        // They are found before anything is normalised.
        for (match in specialTokens.findAll(text)) {
            words.split(text, start, match.range.first)
            start = match.range.last + 1
            pieces.add(ids.getValue(match.value), match.range.first, start)
        }
        words.split(text, start, text.length)
        return pieces
    }

    /** The row `[CLS] first [SEP]`, or `[CLS] first [SEP] second [SEP]`, filled up to a width. */
    internal fun row(
        segments: List<Pieces>,
        width: Int = 1 + segments.sumOf { it.size + 1 },
    ): Encoding {
        val inputIds = IntArray(width) { padTokenId }
        val attentionMask = IntArray(width)
        val tokenTypeIds = IntArray(width)
        val offsets = IntArray(2 * width)
        inputIds[0] = clsTokenId
        var at = 1
        for ((number, pieces) in segments.withIndex()) {
            val first = at
            for (i in 0 until pieces.size) {
                inputIds[at] = pieces.ids[i]
                offsets[2 * at] = pieces.starts[i]
                offsets[2 * at + 1] = pieces.ends[i]
                at += 1
            }
            inputIds[at] = sepTokenId
            at += 1
            tokenTypeIds.fill(number, first, at)
        }
        attentionMask.fill(1, 0, at)
        return Encoding(inputIds, attentionMask, tokenTypeIds, offsets)
    }

    /** The most tokens that the row may have. */
    private fun limit(
        maxLength: Int?,
        isBounded: Boolean,
        special: Int,
    ): Int {
        if (maxLength == null) return if (isBounded) options.modelMaxLength else Int.MAX_VALUE
        if (maxLength < special) {
            throw InputError(
                "`maxLength` must leave room for the $special special tokens. Received: maxLength=$maxLength",
            )
        }
        return maxLength
    }

    private fun idOf(token: String): Int =
        ids[token]
            ?: throw InputError(
                "The vocabulary lacks a special token. Received: \"$token\", ${vocabulary.size} tokens",
            )
}

private fun idsOf(vocabulary: List<String>): Map<String, Int> {
    val ids = HashMap<String, Int>(2 * vocabulary.size)
    vocabulary.forEachIndexed { id, token ->
        if (token.isEmpty()) {
            throw InputError(
                "The tokens of a vocabulary must not be empty. Received: vocabulary[$id]=\"\"",
            )
        }
        ids.put(token, id)?.let { before ->
            throw InputError(
                "The tokens of a vocabulary must differ from one another. " +
                    "Received: vocabulary[$before]=vocabulary[$id]=\"$token\"",
            )
        }
    }
    return ids
}

/** Finds special tokens: of those that start first the longest. */
private fun pattern(tokens: List<String>) =
    Regex(tokens.sortedByDescending { it.length }.joinToString("|", transform = Regex::escape))

/** How many tokens to keep of one or two texts: the longer gives first. */
private fun truncated(
    lengths: List<Int>,
    room: Int,
): List<Int> {
    if (lengths.size == 1) return listOf(minOf(lengths[0], room))
    val (first, second) = lengths
    val short = minOf(first, second, room / 2)
    val long = minOf(maxOf(first, second), room - short)
    return if (first > second) listOf(long, short) else listOf(short, long)
}
