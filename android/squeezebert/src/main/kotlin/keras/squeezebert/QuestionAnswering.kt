package keras.squeezebert

import java.util.PriorityQueue

/**
 * A passage of a text.
 *
 * @property score Its probability among the best passages, and no answer, if that may be.
 */
data class Passage(
    val text: String,
    val span: Span,
    val score: Float,
)

/**
 * The answer to a question.
 *
 * @property passage What answers it; null if nothing does.
 * @property score Its probability, or that of no answer.
 * @property noAnswerScore By how much no answer is better than the best passage.
 * @property best The best passages, the best first.
 */
data class Answer(
    val passage: Passage?,
    val score: Float,
    val noAnswerScore: Float,
    val best: List<Passage>,
)

/**
 * The passage of a text that answers a question, or none; `keras_squeezebert.tasks.QuestionAnswering`
 * in Kotlin.
 *
 *     val head = QuestionAnswering(model)
 *     head.answer("Where does she live?", "She lives in Oslo.").passage?.text // Oslo
 *
 * A row holds the question and as much of the text as fits; a long text becomes several rows,
 * windows that overlap. Of all spans of all windows that are not too long, the one with the
 * greatest sum of start and end logits is the answer.
 *
 * @param docStride Pieces that a window shares with the one before.
 * @param maxQuestionLength Pieces at which a question is cut.
 * @param maxAnswerLength Most pieces of an answer.
 * @param nBest How many passages to tell.
 * @param noAnswerThreshold The `noAnswerScore` above which there is no answer; null answers always.
 * @param maxLength Most tokens of a row; the model's, if it takes fewer.
 * @throws InputError The model has another head, a number is too small, or a window that shares
 *   `docStride` pieces has no room for others.
 */
class QuestionAnswering(
    private val model: Model,
    private val docStride: Int = 128,
    private val maxQuestionLength: Int = 64,
    private val maxAnswerLength: Int = 30,
    private val nBest: Int = 20,
    private val noAnswerThreshold: Float? = null,
    maxLength: Int = 384,
) {
    private val limit = minOf(maxLength, model.maxLength)

    init {
        model.checkHead("SqueezeBertForQuestionAnswering")
        atLeast("docStride", docStride, 0)
        atLeast("maxQuestionLength", maxQuestionLength, 1)
        atLeast("maxAnswerLength", maxAnswerLength, 1)
        atLeast("nBest", nBest, 1)
        if (limit - 3 - maxQuestionLength <= docStride) {
            throw InputError(
                "Beside the longest question and three special tokens, a window must hold more " +
                    "of the text than it shares with the one before. Received: $limit tokens " +
                    "in a row, maxQuestionLength=$maxQuestionLength, docStride=$docStride",
            )
        }
    }

    /** The rows of a question and a text, and what of the text each holds. */
    class Windows internal constructor(
        /** What the model is to run, each by itself. */
        val rows: List<Encoding>,
        internal val pieces: Pieces,
        /** The first piece of each window. */
        internal val begins: List<Int>,
        internal val counts: List<Int>,
        /** The token that the first piece of a window is. */
        internal val column: Int,
    )

    /** What answers a question about a text of any length. */
    fun answer(
        question: String,
        context: String,
    ): Answer {
        val windows = encode(question, context)
        return decode(context, windows, windows.rows.map { model.run(listOf(it)) })
    }

    /** Rows for the model. */
    fun encode(
        question: String,
        context: String,
    ): Windows {
        val all = model.tokenizer.pieces(question)
        val asked = all.slice(0, minOf(all.size, maxQuestionLength))
        val pieces = model.tokenizer.pieces(context)
        val room = limit - 3 - asked.size
        val begins = mutableListOf(0)
        while (begins.last() + room < pieces.size) begins += begins.last() + room - docStride
        val counts = begins.map { minOf(room, pieces.size - it) }
        val rows =
            begins.zip(counts) { begin, count ->
                model.tokenizer.row(listOf(asked, pieces.slice(begin, count)))
            }
        return Windows(rows, pieces, begins, counts, asked.size + 2) // after [CLS] and [SEP]
    }

    /** What the outputs of the rows say. */
    fun decode(
        context: String,
        windows: Windows,
        outputs: List<Outputs>,
    ): Answer {
        var noAnswer = Float.POSITIVE_INFINITY
        val found = HashMap<Span, Float>() // first and last piece, and score
        windows.rows.zip(outputs).forEachIndexed { window, (row, output) ->
            val start = output.values("start_logits", row.size)
            val end = output.values("end_logits", row.size)
            noAnswer = minOf(noAnswer, start[0] + end[0])
            val begin = windows.begins[window]
            for ((span, score) in bestSpans(start, end, windows.column, windows.counts[window])) {
                // Windows overlap: of a span that is in two, the better score counts.
                val inText = Span(begin + span.start, begin + span.end)
                found[inText] = maxOf(found[inText] ?: score, score)
            }
        }
        val best =
            found.entries
                .sortedWith(compareBy({ -it.value }, { it.key.start }, { it.key.end }))
                .take(nBest)
        return answer(context, windows.pieces, best, noAnswer)
    }

    /** Of the spans of a window, those with the greatest sums, in no order. */
    private fun bestSpans(
        start: FloatArray,
        end: FloatArray,
        column: Int,
        count: Int,
    ): List<Pair<Span, Float>> {
        val best = PriorityQueue<Pair<Span, Float>>(nBest, compareBy { it.second })
        for (first in 0 until count) {
            for (last in first until minOf(first + maxAnswerLength, count)) {
                val score = start[column + first] + end[column + last]
                if (best.size == nBest && score <= best.peek()!!.second) continue
                best += Span(first, last) to score
                if (best.size > nBest) best.poll()
            }
        }
        return best.toList()
    }

    private fun answer(
        context: String,
        pieces: Pieces,
        best: List<Map.Entry<Span, Float>>,
        noAnswer: Float,
    ): Answer {
        val ofNone = if (noAnswerThreshold == null) emptyList() else listOf(noAnswer)
        val scores = softmax((best.map { it.value } + ofNone).toFloatArray())
        val passages =
            best.mapIndexed { i, (span, _) ->
                val inText = Span(pieces.starts[span.start], pieces.ends[span.end])
                Passage(context.substring(inText.start, inText.end), inText, scores[i])
            }
        val difference = noAnswer - (best.firstOrNull()?.value ?: -Float.MAX_VALUE)
        val isNone = noAnswerThreshold != null && difference > noAnswerThreshold
        val passage = passages.firstOrNull().takeUnless { isNone }
        val scoreOfNone = if (noAnswerThreshold == null) 0f else scores.last()
        return Answer(passage, passage?.score ?: scoreOfNone, difference, passages)
    }
}

private fun atLeast(
    name: String,
    number: Int,
    least: Int,
) {
    if (number < least) throw InputError("`$name` must be $least or more. Received: $name=$number")
}
