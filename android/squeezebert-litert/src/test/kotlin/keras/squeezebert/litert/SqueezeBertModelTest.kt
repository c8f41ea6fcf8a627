package keras.squeezebert.litert

import keras.squeezebert.FillMask
import keras.squeezebert.InputError
import keras.squeezebert.ModelConfig
import keras.squeezebert.MultipleChoice
import keras.squeezebert.QuestionAnswering
import keras.squeezebert.SequenceClassification
import keras.squeezebert.SqueezeBertTokenizer
import keras.squeezebert.TextAnswer
import keras.squeezebert.TfliteFile
import keras.squeezebert.TokenizerOptions
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Tensor
import java.io.ByteArrayOutputStream
import java.nio.ByteBuffer
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream

/** The wrapper, on an interpreter that answers as it is told. */
class SqueezeBertModelTest {
    @Test
    fun `a text is run by the shortest file that it fits in`() {
        val (short, long) = listOf(classifier(4), classifier(8))
        // Their order does not matter.
        val model = model(long, short)
        assertEquals(listOf(4, 8), model.lengths)
        assertEquals(8, model.maxLength)
        val head = SequenceClassification(model)
        head.answer("a b")
        assertEquals(
            listOf(
                mapOf(
                    "input_ids" to listOf(2, 5, 6, 3),
                    "attention_mask" to listOf(1, 1, 1, 1),
                    "token_type_ids" to listOf(0, 0, 0, 0),
                ),
            ),
            short.received,
        )
        head.answer("a b", "b")
        head.answer("a ".repeat(100))
        assertEquals(
            listOf(listOf(2, 5, 6, 3, 6, 3, 1, 1), listOf(2, 5, 5, 5, 5, 5, 5, 3)),
            long.received.map { it["input_ids"] },
        )
        assertEquals(listOf(1, 1, 1, 1, 1, 1, 0, 0), long.received[0]["attention_mask"])
        assertEquals(listOf(0, 0, 0, 0, 1, 1, 0, 0), long.received[0]["token_type_ids"])
        assertEquals(1, short.received.size)
    }

    @Test
    fun `floats come out as they are, every time`() {
        var call = 0
        val file =
            FakeInterpreter(inputs(1, 4), logits(DataType.FLOAT32)) {
                it.getValue("logits").putFloat((call++).toFloat()).putFloat(0f)
            }
        val model = model(file)
        val rows = listOf(model.tokenizer.encode("a"))
        for (expected in 0..2) {
            assertEquals(
                listOf(expected.toFloat(), 0f),
                model.run(rows).getValue("logits").toList(),
            )
        }
    }

    @Test
    fun `codes become the numbers that they stand for`() {
        val quantization = Tensor.QuantizationParams(0.5f, -3)
        val output = FakeTensor(DataType.INT8, 1, 2, quantization = quantization)
        val file =
            FakeInterpreter(inputs(1, 4), mapOf("logits" to output)) {
                it.getValue("logits").put(-128).put(127)
            }
        val model = model(file)
        val outputs = model.run(listOf(model.tokenizer.encode("a")))
        assertEquals(listOf(-62.5f, 65f), outputs.getValue("logits").toList())
    }

    @Test
    fun `probabilities under their name`() {
        val outputs = mapOf("probabilities" to FakeTensor(DataType.FLOAT32, 1, 2))
        val file =
            FakeInterpreter(inputs(1, 4), outputs) {
                it.getValue("probabilities").putFloat(0.25f).putFloat(0.75f)
            }
        assertEquals(
            TextAnswer.Label("yes", mapOf("yes" to 0.75f, "no" to 0.25f)),
            SequenceClassification(model(file)).answer("a"),
        )
    }

    @Test
    fun `choices are run together, and filled up`() {
        val outputs = mapOf("logits" to FakeTensor(DataType.FLOAT32, 1, 3))
        val file =
            FakeInterpreter(inputs(1, 3, 6), outputs) {
                it
                    .getValue("logits")
                    .putFloat(1f)
                    .putFloat(2f)
                    .putFloat(9f)
            }
        val head = MultipleChoice(model(file, head = "MultipleChoice"))
        assertEquals(1, head.choose("a", listOf("a", "b b")).choice)
        assertEquals(
            listOf(2, 5, 3, 5, 3, 1, 2, 5, 3, 6, 6, 3, 0, 0, 0, 0, 0, 0),
            file.received.single()["input_ids"],
        )
        assertEquals(
            listOf(1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0),
            file.received.single()["attention_mask"],
        )
        assertRefused("1 to 3 rows at a time\\. Received: 4") { head.choose("a", List(4) { "b" }) }
    }

    @Test
    fun `what is told of each token`() {
        val outputs =
            mapOf(
                "start_logits" to FakeTensor(DataType.FLOAT32, 1, 12),
                "end_logits" to FakeTensor(DataType.FLOAT32, 1, 12),
            )
        val file =
            FakeInterpreter(inputs(1, 12), outputs) {
                for (i in 0 until 12) it.getValue("start_logits").putFloat(if (i == 5) 9f else 0f)
                for (i in 0 until 12) it.getValue("end_logits").putFloat(if (i == 6) 9f else 0f)
            }
        val model = model(file, head = "QuestionAnswering")
        val head = QuestionAnswering(model, docStride = 2, maxQuestionLength = 3)
        // [CLS] b [SEP] a b a b [SEP]: tokens 5 and 6 are the second a and b
        assertEquals(
            "a b",
            head
                .answer("b", "a b a  b")
                .passage
                ?.text
                ?.replace("  ", " "),
        )
    }

    @Test
    fun `a masked LM`() {
        val outputs = mapOf("logits" to FakeTensor(DataType.FLOAT32, 1, 4, 7))
        val file =
            FakeInterpreter(inputs(1, 4), outputs) {
                for (i in 0 until 28) it.getValue("logits").putFloat(if (i == 7 + 6) 9f else 0f)
            }
        val gaps = FillMask(model(file, head = "MaskedLM"), top = 1).fill("[MASK]")
        assertEquals("b", gaps.single().single().token)
    }

    @Test
    fun `a model without token types`() {
        val file =
            FakeInterpreter(inputs(1, 4) - "token_type_ids", logits(DataType.FLOAT32)) { zeros(it) }
        SequenceClassification(model(file)).answer("a")
        assertEquals(setOf("input_ids", "attention_mask"), file.received.single().keys)
    }

    @Test
    fun `rows that are too long`() {
        val model = model(classifier(4))
        assertRefused("at most 4 tokens in a row\\. Received: 5") {
            model.run(listOf(model.tokenizer.encode("a b a")))
        }
        assertRefused("1 to 1 rows at a time\\. Received: 0") { model.run(emptyList()) }
    }

    @Test
    fun `closing it`() {
        val files = listOf(classifier(4), classifier(8))
        val model = model(*files.toTypedArray())
        model.close()
        model.close()
        assertTrue(files.all { it.isClosed })
        assertThrows(
            IllegalStateException::class.java,
        ) { model.run(listOf(model.tokenizer.encode("a"))) }
    }

    @Test
    fun `files of two models, or of one length`() {
        assertRefused("of one model for several lengths.*shape \\[1, 4].*shape \\[1, 4]") {
            model(classifier(4), classifier(4))
        }
        val other =
            FakeInterpreter(
                inputs(1, 8),
                mapOf("other" to FakeTensor(DataType.FLOAT32, 1, 2)),
            )
        assertRefused("outputs \\[logits], .*outputs \\[other]") { model(classifier(4), other) }
    }

    @Test
    fun `files that are no models of this package`() {
        fun assertNoModel(
            message: String,
            inputs: Map<String, FakeTensor> = inputs(1, 4),
            outputs: Map<String, FakeTensor> = logits(DataType.FLOAT32),
            keys: List<String> = listOf("serving_default"),
        ) = assertRefused("as `squeezebert export` writes it.*Received: $message") {
            model(FakeInterpreter(inputs, outputs, keys))
        }
        assertNoModel("signatures \\[] instead of one", keys = emptyList())
        assertNoModel("signatures \\[a, b] instead of one", keys = listOf("a", "b"))
        assertNoModel(
            "inputs image FLOAT32 \\[1, 9]",
            mapOf("image" to FakeTensor(DataType.FLOAT32, 1, 9)),
        )
        assertNoModel("inputs .*input_ids INT32 \\[2, 4]", inputs(2, 4))
        assertNoModel("inputs .*input_ids INT32 \\[4]", inputs(4))
        val unequal = inputs(1, 4) + ("input_ids" to FakeTensor(DataType.INT32, 1, 5))
        assertNoModel("inputs .*input_ids INT32 \\[1, 5]", unequal)
        val long = inputs(1, 4) + ("input_ids" to FakeTensor(DataType.INT64, 1, 4))
        assertNoModel("inputs .*input_ids INT64", long)
        assertNoModel("the output logits of INT32", outputs = logits(DataType.INT32))
    }

    // === Opening

    @Test
    fun `another file is told before an interpreter is made`() {
        val files = listOf(ByteBuffer.wrap("<!doctype html>".toByteArray()))
        assertRefused(
            "no \\.tflite file",
        ) { SqueezeBertModel.openWith(files) { error("must not be made") } }
        assertRefused("an empty list") { SqueezeBertModel.open(emptyList()) }
        val cut = listOf(ByteBuffer.wrap("\u001c\u0000\u0000\u0000TFL3 and no more".toByteArray()))
        assertRefused("cut short") { SqueezeBertModel.open(cut) }
    }

    @Test
    fun `files that are`() {
        val short = classifier(4)
        val left = mutableListOf(classifier(8), short)
        val model = SqueezeBertModel.openWith(listOf(tflite(), tflite())) { left.removeAt(0).api }
        model.use { SequenceClassification(it).answer("a") }
        assertEquals(1, short.received.size)
        assertTrue(short.isClosed)
    }

    @Test
    fun `nothing is left open when a file cannot run`() {
        val file = classifier(4)
        var count = 0
        assertRefused("cannot run here: Internal error: no such op") {
            SqueezeBertModel.openWith(listOf(tflite(), tflite())) {
                require(count++ == 0) { "Internal error: no such op" }
                file.api
            }
        }
        assertTrue(file.isClosed)
        val other = FakeInterpreter(inputs(2, 4), logits(DataType.FLOAT32))
        assertRefused("as `squeezebert export` writes it") {
            SqueezeBertModel.openWith(listOf(tflite())) { other.api }
        }
        assertTrue(other.isClosed)
    }

    /** A file with companions and no graph. */
    private fun tflite(): ByteBuffer {
        val bytes = ByteArrayOutputStream()
        bytes.write("\u001c\u0000\u0000\u0000TFL3".toByteArray())
        ZipOutputStream(bytes).use { zip ->
            for ((name, text) in mapOf(
                "config.json" to
                    """{"model_type": "squeezebert", "architectures":
                    ["SqueezeBertForSequenceClassification"], "vocab_size": 7}""",
                "vocab.txt" to VOCABULARY.joinToString("\n"),
            )) {
                zip.putNextEntry(ZipEntry(name))
                zip.write(text.toByteArray())
            }
        }
        return ByteBuffer.wrap(bytes.toByteArray())
    }

    private fun assertRefused(
        message: String,
        task: () -> Unit,
    ) {
        val error = assertThrows(InputError::class.java) { task() }
        val isFound = Regex(message, RegexOption.DOT_MATCHES_ALL).containsMatchIn(error.message!!)
        assertTrue(isFound) { error.message }
    }

    private fun classifier(length: Int) =
        FakeInterpreter(inputs(1, length), logits(DataType.FLOAT32), compute = ::zeros)

    private fun zeros(outputs: Map<String, ByteBuffer>) {
        for (buffer in outputs.values) while (buffer.hasRemaining()) buffer.put(0)
    }

    private fun inputs(vararg shape: Int) =
        listOf("input_ids", "attention_mask", "token_type_ids").associateWith {
            FakeTensor(DataType.INT32, *shape)
        }

    private fun logits(type: DataType) = mapOf("logits" to FakeTensor(type, 1, 2))

    private fun model(
        vararg files: FakeInterpreter,
        head: String = "SequenceClassification",
    ): SqueezeBertModel {
        val config =
            ModelConfig(
                architecture = "SqueezeBertFor$head",
                labels = listOf("no", "yes"),
                problemType = "single_label_classification",
                vocabSize = VOCABULARY.size,
                maxPositionEmbeddings = 512,
            )
        return SqueezeBertModel(
            TfliteFile(config, TokenizerOptions(), VOCABULARY),
            files.map { it.api },
        )
    }

    private companion object {
        // [PAD] is not 0, so that a row that is filled with zeros shows.
        val VOCABULARY = listOf("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]", "a", "b")
    }
}
