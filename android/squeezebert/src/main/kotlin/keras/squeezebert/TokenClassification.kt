package keras.squeezebert

/**
 * A word of a text and its tag.
 *
 * @property span Where it is.
 * @property tag The likeliest.
 * @property score Its probability; 0 of a word without pieces, of control characters.
 */
data class TaggedWord(
    val text: String,
    val span: Span,
    val tag: String,
    val score: Float,
)

/**
 * An entity, of one word or more.
 *
 * @property type What it is: `LOC`, `PER`.
 * @property text What the text has from the span's start to its end.
 * @property score The mean probability of its words' tags.
 */
data class Entity(
    val type: String,
    val text: String,
    val span: Span,
    val score: Float,
)

/**
 * A tag for each word of a text, as for named entities; `keras_squeezebert.tasks.TokenClassification`
 * in Kotlin.
 *
 *     TokenClassification(model).entities("Ada left New York.")
 *     // [Entity(type=PER, text=Ada, …), Entity(type=LOC, text=New York, …)]
 *
 * The first piece of a word stands for it. A text that is longer than a row becomes several, cut
 * between words (but a word that is longer than a row inside it), so that no word goes without a
 * tag. A word that has no pieces at all gets "O", or another tag that says nothing.
 *
 * @throws InputError The model has another head, or its rows have no room for a piece.
 */
class TokenClassification(
    private val model: Model,
) {
    private val labels = model.config.labels
    private val neutral = NEUTRAL_TAGS.map(labels::indexOf).firstOrNull { it >= 0 } ?: 0

    init {
        model.checkHead("SqueezeBertForTokenClassification")
        if (model.maxLength < 3) {
            throw InputError(
                "A row must have room for a piece between [CLS] and [SEP]. " +
                    "Received: ${model.maxLength} tokens in a row",
            )
        }
    }

    /** The rows of a text, and where in them its words are. */
    class Rows internal constructor(
        /** What the model is to run, each by itself. */
        val rows: List<Encoding>,
        internal val spans: List<Span>,
        /** Row and token of the first piece of each word; null of one without pieces. */
        internal val places: List<Pair<Int, Int>?>,
    )

    /** The words of a text with their tags. */
    fun tags(text: String): List<TaggedWord> {
        val rows = encode(text)
        return decode(text, rows, rows.rows.map { model.run(listOf(it)) })
    }

    /**
     * The entities in a text.
     *
     * @throws InputError The labels are no tags of entities: `O`, `B-` and `I-` with a type.
     */
    fun entities(text: String): List<Entity> = entities(text, tags(text))

    /** Rows for the model. */
    fun encode(text: String): Rows {
        val spans = wordSpans(text)
        val words = spans.map { text.substring(it.start, it.end) }
        val starts = words.runningFold(0) { start, word -> start + word.length + 1 }
        val pieces = model.tokenizer.pieces(words.joinToString(" "))
        val firsts = IntArray(words.size) { -1 } // the first piece of each word
        for (i in pieces.size - 1 downTo 0) {
            firsts[starts.lastUpTo(pieces.starts[i])] = i
        }
        val cuts = cuts(firsts.filter { it >= 0 }, pieces.size, model.maxLength - 2)
        val ends = cuts.drop(1) + pieces.size
        val rows =
            cuts.zip(ends) { from, to ->
                model.tokenizer.row(
                    listOf(
                        pieces.slice(
                            from,
                            to - from,
                        ),
                    ),
                )
            }
        val places =
            firsts.map { piece ->
                val row = cuts.lastUpTo(piece)
                if (piece < 0) null else row to 1 + piece - cuts[row] // after [CLS]
            }
        return Rows(rows, spans, places)
    }

    /** What the outputs of the rows say of the words. */
    fun decode(
        text: String,
        rows: Rows,
        outputs: List<Outputs>,
    ): List<TaggedWord> {
        val logits =
            rows.rows.zip(
                outputs,
            ) { row, output -> output.values("logits", row.size * labels.size) }
        return rows.spans.zip(rows.places) { span, place ->
            val word = text.substring(span.start, span.end)
            if (place == null) {
                TaggedWord(word, span, labels[neutral], 0f)
            } else {
                val (row, token) = place
                val scores = softmax(logits[row], token * labels.size, labels.size)
                val best = greatest(scores, 1).single()
                TaggedWord(word, span, labels[best], scores[best])
            }
        }
    }

    /** The entities that the tags of a text's words mark, as `entities` above. */
    fun entities(
        text: String,
        words: List<TaggedWord>,
    ): List<Entity> {
        labels.firstOrNull { !ENTITY_TAG.matches(it) }?.let {
            throw InputError(
                "Only tags O, B-… and I-… mark entities; call `tags`. Received: label $it",
            )
        }
        val groups = mutableListOf<MutableList<TaggedWord>>()
        var openType = ""
        for (word in words) {
            val prefix = word.tag.substringBefore('-')
            val type = word.tag.substringAfter('-', "")
            if (prefix == "I" && type == openType) {
                groups.last() += word
            } else if (prefix != "O") {
                groups += mutableListOf(word)
            }
            openType = type
        }
        return groups.map { group ->
            val span = Span(group.first().span.start, group.last().span.end)
            Entity(
                type = group.first().tag.substringAfter('-', ""),
                text = text.substring(span.start, span.end),
                span = span,
                score = group.map { it.score }.average().toFloat(),
            )
        }
    }

    private companion object {
        /** They say nothing of a word: of entities, and of parts of speech. */
        val NEUTRAL_TAGS = listOf("O", "X")
        val ENTITY_TAG = Regex("O|[BI]-.*")

        /** Where the rows begin, in pieces, of which each holds `room` or fewer. */
        fun cuts(
            wordStarts: List<Int>,
            count: Int,
            room: Int,
        ): List<Int> {
            val cuts = mutableListOf(0)
            while (count - cuts.last() > room) {
                val furthest = cuts.last() + room
                val word = wordStarts[wordStarts.lastUpTo(furthest)]
                cuts += if (word > cuts.last()) word else furthest
            }
            return cuts
        }

        /** Of sorted numbers, which is the last that is not above a value; −1 if all are. */
        fun List<Int>.lastUpTo(value: Int): Int {
            val found = binarySearch(value)
            return if (found >= 0) found else -found - 2
        }
    }
}
