package keras.squeezebert

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

/** The parts of the heads that the golden file does not reach. */
class HeadsTest {
    @Test
    fun `probabilities are taken as they are`() {
        val outputs = mapOf("probabilities" to floatArrayOf(0.25f, 0.75f))
        val label = SequenceClassification(model("SequenceClassification", outputs)).answer("a")
        assertEquals(TextAnswer.Label("yes", mapOf("yes" to 0.75f, "no" to 0.25f)), label)
        val several = model("SequenceClassification", outputs, "multi_label_classification")
        assertEquals(
            TextAnswer.Labels(listOf("yes"), mapOf("no" to 0.25f, "yes" to 0.75f)),
            SequenceClassification(several).answer("a"),
        )
    }

    @Test
    fun `a model of another head`() {
        val model = model("MaskedLM", emptyMap())
        assertRefused("another head.*\\[\"SqueezeBertForSequenceClassification\"].*ForMaskedLM") {
            SequenceClassification(model)
        }
        assertRefused("\\[\"SqueezeBertForTokenClassification\"]") { TokenClassification(model) }
        assertRefused("\\[\"SqueezeBertForQuestionAnswering\"]") { QuestionAnswering(model) }
        assertRefused("\\[\"SqueezeBertForMultipleChoice\"]") { MultipleChoice(model) }
        val nameless =
            StandIn(model.config.copy(architecture = null), model.tokenizer, 8, emptyList())
        assertRefused("\\[\"SqueezeBertForMaskedLM\"].*Received: none") { FillMask(nameless) }
    }

    @Test
    fun `outputs of another form`() {
        fun answer(outputs: Outputs) =
            SequenceClassification(model("SequenceClassification", outputs)).answer("a")
        assertRefused("2 values or more of `logits`\\. Received: nothing") { answer(emptyMap()) }
        assertRefused("Received: 1 of `logits`") { answer(mapOf("logits" to FloatArray(1))) }
    }

    @Test
    fun `options that do not fit`() {
        val text = model("SequenceClassification", emptyMap())
        assertRefused("threshold=1\\.5") { SequenceClassification(text, 1.5f) }
        assertRefused("threshold=NaN") { SequenceClassification(text, Float.NaN) }
        assertRefused("one label\\. Received: 2 labels") {
            SequenceClassification(model("SequenceClassification", emptyMap(), "regression"))
        }
        val question = model("QuestionAnswering", emptyMap())
        assertRefused("docStride=-1") { QuestionAnswering(question, docStride = -1) }
        assertRefused("maxQuestionLength=0") { QuestionAnswering(question, maxQuestionLength = 0) }
        assertRefused("maxAnswerLength=0") { QuestionAnswering(question, maxAnswerLength = 0) }
        assertRefused("nBest=0") { QuestionAnswering(question, nBest = 0) }
        assertRefused("Received: 16 tokens in a row, maxQuestionLength=64, docStride=128") {
            QuestionAnswering(question)
        }
        assertRefused("top=0") { FillMask(model("MaskedLM", emptyMap()), top = 0) }
    }

    @Test
    fun `texts that do not fit`() {
        assertRefused("a choice at least") {
            MultipleChoice(model("MultipleChoice", emptyMap())).choose("a", emptyList())
        }
        val gaps = FillMask(model("MaskedLM", emptyMap()))
        assertRefused("must have a \\[MASK].*\"no gap\"") { gaps.fill("no gap") }
        assertRefused("pieces that fit in a row") { gaps.fill("a ".repeat(20) + "[MASK]") }
    }

    @Test
    fun `a masked LM of another vocabulary`() {
        val model = model("MaskedLM", emptyMap())
        val other = StandIn(model.config.copy(vocabSize = 9), model.tokenizer, 8, emptyList())
        assertRefused("vocab_size=9, 7 pieces") { FillMask(other) }
    }

    @Test
    fun `rows without room`() {
        val model = model("TokenClassification", emptyMap())
        val short = StandIn(model.config, model.tokenizer, 2, emptyList())
        assertRefused("2 tokens in a row") { TokenClassification(short) }
    }

    @Test
    fun `entities of tags that mark none`() {
        val model = model("TokenClassification", mapOf("logits" to FloatArray(2 * 16)))
        assertRefused(
            "Only tags O, B-… and I-….*label no",
        ) { TokenClassification(model).entities("a b") }
    }

    @Test
    fun `nothing at all`() {
        val zeros =
            mapOf(
                "logits" to FloatArray(64),
                "start_logits" to FloatArray(16),
                "end_logits" to FloatArray(16),
            )
        val tags = TokenClassification(model("TokenClassification", zeros))
        assertEquals(emptyList<TaggedWord>(), tags.tags(" \t"))
        val answer = questions(zeros).answer("", "\u0000")
        assertEquals(null, answer.passage)
        assertEquals(0f, answer.score)
        assertEquals(emptyList<Passage>(), answer.best)
    }

    @Test
    fun `words of a million characters`() {
        val model = Zeros(model("TokenClassification", emptyMap()))
        val words = TokenClassification(model).tags("a b! \ud83d\ude00 ".repeat(125_000))
        assertEquals(500_000, words.size)
        assertEquals(Span(999_997, 999_999), words.last().span)
    }

    @Test
    fun `an answer in a million characters`() {
        val model = Zeros(model("QuestionAnswering", emptyMap()))
        val task =
            QuestionAnswering(
                model,
                docStride = 2,
                maxQuestionLength = 4,
                maxAnswerLength = 3,
                nBest = 2,
            )
        val answer = task.answer("a b", "a ".repeat(500_000))
        assertEquals(listOf(Span(0, 1), Span(0, 3)), answer.best.map { it.span })
    }

    private fun questions(outputs: Outputs) =
        QuestionAnswering(model("QuestionAnswering", outputs), docStride = 2, maxQuestionLength = 4)

    /** A model whose every output is 0. */
    private class Zeros(
        model: Model,
    ) : Model by model {
        override fun run(rows: List<Encoding>): Outputs =
            listOf("logits", "start_logits", "end_logits").associateWith {
                FloatArray(2 * rows[0].size)
            }
    }

    private fun model(
        head: String,
        outputs: Outputs,
        problemType: String = "single_label_classification",
    ) = StandIn(
        ModelConfig(
            "SqueezeBertFor$head",
            listOf("no", "yes"),
            problemType,
            tokenizer.vocabulary.size,
            16,
        ),
        tokenizer,
        maxLength = 16,
        outputs = listOf(outputs),
    )

    private companion object {
        val tokenizer =
            SqueezeBertTokenizer(listOf("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"))
    }
}
