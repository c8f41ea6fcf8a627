package keras.squeezebert

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.ByteArrayOutputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.CRC32
import java.util.zip.Deflater
import java.util.zip.DeflaterOutputStream

/** What is packed into a .tflite, and what may be wrong with it. */
class TfliteFileTest {
    @Test
    fun `deflated or stored`() {
        assertContents(read(tflite(files)))
        assertContents(read(tflite(files, method = STORED)))
    }

    @Test
    fun `mapped into memory, in the middle of another file`() {
        val file = tflite(files)
        val buffer = ByteBuffer.allocateDirect(file.size + 20)
        buffer.position(7)
        buffer.put(file)
        buffer.limit(buffer.position())
        buffer.position(7)
        assertContents(TfliteFile.read(buffer.asReadOnlyBuffer()))
        assertEquals(7, buffer.position())
    }

    @Test
    fun `beside files of other programs`() {
        assertContents(read(tflite(mapOf("labels.txt" to "a\nb") + files + mapOf("a/ö" to ""))))
    }

    @Test
    fun `offsets that count from the archive's own start`() {
        assertContents(read(graph + tflite(files, before = ByteArray(0))))
    }

    @Test
    fun `an archive with a comment`() {
        val file = tflite(files) + "by hand".toByteArray()
        ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putShort(file.size - 9, 7)
        assertContents(read(file))
    }

    @Test
    fun `without options, and with the line ends of Windows`() {
        val file = read(tflite(files - "tokenizer_config.json" + ("vocab.txt" to "[PAD]\r\na\r\n")))
        assertEquals(listOf("[PAD]", "a"), file.vocabulary)
        assertEquals(TokenizerOptions(), file.tokenizerOptions)
    }

    @Test
    fun `what the config tells`() {
        val json =
            """{"model_type": "squeezebert", "architectures": ["SqueezeBertForTokenClassification"],
               "id2label": {"1": "größer", "0": "O"}, "max_position_embeddings": 64,
               "problem_type": "multi_label_classification"}"""
        val expected =
            ModelConfig(
                "SqueezeBertForTokenClassification",
                listOf("O", "größer"),
                "multi_label_classification",
                30522,
                64,
            )
        assertEquals(expected, ModelConfig.parse(json))
        val one = ModelConfig.parse("""{"model_type": "squeezebert", "id2label": {"0": "stars"}}""")
        assertEquals("regression", one.problemType)
        assertEquals(null, one.architecture)
    }

    @Test
    fun `configs that do not fit`() {
        fun config(fields: String) = ModelConfig.parse("""{"model_type": "squeezebert", $fields}""")
        assertRefused("id2label=\\{\"1\":\"a\"}") { config(""""id2label": {"1": "a"}""") }
        assertRefused("id2label=\\[]") { config(""""id2label": []""") }
        assertRefused("id2label=\\{}") { config(""""id2label": {}""") }
        assertRefused("problem_type=ranking") { config(""""problem_type": "ranking"""") }
        assertRefused("vocab_size=-3") { config(""""vocab_size": -3""") }
        assertRefused(
            "max_position_embeddings=\"8\"",
        ) { config(""""max_position_embeddings": "8"""") }
    }

    @Test
    fun `no tflite`() {
        assertRefused("no \\.tflite file\\. Received: 0 bytes") { read(ByteArray(0)) }
        assertRefused("no \\.tflite file") { read("<!doctype html>".toByteArray()) }
    }

    @Test
    fun `cut short anywhere`() {
        val file = tflite(files)
        for (length in 8 until file.size) {
            assertRefused("cut short .* Received: $length bytes") { read(file.copyOf(length)) }
        }
    }

    @Test
    fun `cut out of the middle`() {
        val file = tflite(files)
        for (missing in 1 until file.size - 30) {
            val cut = file.copyOf(8) + file.copyOfRange(8 + missing, file.size)
            // An archive that is whole, or the end of it, may be all that is left.
            contentsOrRefusal(cut)?.let(::assertContents)
        }
    }

    @Test
    fun `any byte changed`() {
        val file = tflite(files)
        var noticed = 0
        for (at in graph.size until file.size) {
            val changed = file.copyOf()
            changed[at] = (changed[at].toInt() xor 0x55).toByte()
            val contents = contentsOrRefusal(changed)
            if (contents == null) noticed += 1
            // The name of the options may be what was changed, and they are not needed.
            if (contents?.tokenizerOptions?.doLowerCase == false) assertContents(contents)
        }
        assertTrue(noticed > 200) { "$noticed noticed" }
    }

    @Test
    fun `sizes and checksums that are lies`() {
        fun lie(change: (Entry) -> Entry) = read(tflite(files, change = change))
        assertRefused("damaged\\. Received: config\\.json of 43 bytes instead of 44") {
            lie {
                it.copy(
                    size =
                        it.size + 1,
                )
            }
        }
        assertRefused("damaged\\. Received: config\\.json of more than 42 bytes") {
            lie {
                it.copy(
                    size =
                        it.size - 1,
                )
            }
        }
        assertRefused("damaged\\. Received: config\\.json of 43") {
            lie {
                it.copy(
                    checksum =
                        it.checksum xor 1,
                )
            }
        }
        assertRefused("damaged\\. Received: config\\.json of 9999 bytes") {
            lie { it.copy(packedSize = 9999) }
        }
        assertRefused("not be larger than 16777216 bytes\\. Received: 4294967295") {
            lie { it.copy(packedSize = -1) }
        }
        assertRefused("damaged\\. Received: no record") { lie { it.copy(at = Int.MIN_VALUE) } }
        assertRefused("stored or deflated\\. Received: method 12") { lie { it.copy(method = 12) } }
    }

    @Test
    fun `more than it says`() {
        val bomb = files + ("config.json" to " ".repeat(50 shl 20))
        assertRefused("not be larger than 16777216 .* Received: 52428800") { read(tflite(bomb)) }
        assertRefused(
            "of more than 10 bytes",
        ) { read(tflite(bomb, change = { it.copy(size = 10) })) }
    }

    @Test
    fun `no vocabulary`() {
        assertRefused("no vocabulary: .* Received: no vocab\\.txt") {
            read(
                tflite(files - "vocab.txt"),
            )
        }
    }

    @Test
    fun `another model`() {
        assertRefused("another model.* Received: no config\\.json") {
            read(
                tflite(files - "config.json"),
            )
        }
        assertRefused("another model.* Received: model_type=mobilebert") {
            read(tflite(files + ("config.json" to """{"model_type": "mobilebert"}""")))
        }
        assertRefused("another model.* Received: 4 tokens, vocab_size=3") {
            read(tflite(files + ("vocab.txt" to "a\nb\nc\nd\n")))
        }
    }

    @Test
    fun `files of another form`() {
        assertRefused("^config\\.json is not JSON") { read(tflite(files + ("config.json" to "{"))) }
        val nested = "[".repeat(100_000)
        assertRefused(
            "^config\\.json is not JSON",
        ) { read(tflite(files + ("config.json" to nested))) }
        val notUtf8 =
            tflite(files + ("vocab.txt" to "a?"), bytes = {
                it
                    .toByteArray()
                    .map { b ->
                        if (b.toInt() ==
                            '?'.code
                        ) {
                            -1
                        } else {
                            b
                        }
                    }.toByteArray()
            })
        assertRefused("vocab\\.txt must be UTF-8") { read(notUtf8) }
    }

    private fun assertContents(file: TfliteFile) {
        assertEquals(listOf("[PAD]", "é\u2028", "##字"), file.vocabulary)
        assertEquals(TokenizerOptions(doLowerCase = false), file.tokenizerOptions)
        assertEquals(3, file.config.vocabSize)
    }

    /** Null if it is refused; any other exception fails the test. */
    private fun contentsOrRefusal(file: ByteArray): TfliteFile? =
        try {
            read(file)
        } catch (_: InputError) {
            null
        }

    private fun read(file: ByteArray) = TfliteFile.read(ByteBuffer.wrap(file))

    /** What the directory of an archive says of a file. */
    private data class Entry(
        val method: Int,
        val checksum: Int,
        val packedSize: Int,
        val size: Int,
        val at: Int,
    )

    /** A .tflite of such files; `change` may falsify the directory's entry of each. */
    private fun tflite(
        files: Map<String, String>,
        method: Int = DEFLATED,
        before: ByteArray = graph,
        bytes: (String) -> ByteArray = { it.toByteArray() },
        change: (Entry) -> Entry = { it },
    ): ByteArray {
        val file = ByteArrayOutputStream().apply { write(before) }
        val directory = ByteArrayOutputStream()
        for ((key, text) in files) {
            val name = key.toByteArray()
            val contents = bytes(text)
            val packed = if (method == DEFLATED) deflate(contents) else contents
            val checksum = CRC32().apply { update(contents) }.value.toInt()
            val entry = change(Entry(method, checksum, packed.size, contents.size, file.size()))
            file.write(record(30) { putInt(0, 0x04034b50).putShort(26, name.size.toShort()) })
            file.write(name)
            file.write(packed)
            directory.write(
                record(46) {
                    putInt(0, 0x02014b50)
                    putShort(10, entry.method.toShort())
                    putInt(16, entry.checksum)
                    putInt(20, entry.packedSize)
                    putInt(24, entry.size)
                    putShort(28, name.size.toShort())
                    putInt(42, entry.at)
                },
            )
            directory.write(name)
        }
        val start = file.size()
        file.write(directory.toByteArray())
        file.write(
            record(22) {
                putInt(0, 0x06054b50)
                putShort(10, files.size.toShort())
                putInt(12, directory.size())
                putInt(16, start)
            },
        )
        return file.toByteArray()
    }

    private fun record(
        size: Int,
        fill: ByteBuffer.() -> Unit,
    ): ByteArray =
        ByteBuffer
            .allocate(size)
            .order(ByteOrder.LITTLE_ENDIAN)
            .apply(fill)
            .array()

    private fun deflate(bytes: ByteArray): ByteArray {
        val packed = ByteArrayOutputStream()
        DeflaterOutputStream(
            packed,
            Deflater(Deflater.DEFAULT_COMPRESSION, true),
        ).use { it.write(bytes) }
        return packed.toByteArray()
    }

    private companion object {
        const val STORED = 0
        const val DEFLATED = 8
        val graph = "\u001c\u0000\u0000\u0000TFL3 and the rest of a graph".toByteArray()
        val files =
            mapOf(
                "config.json" to """{"model_type":"squeezebert","vocab_size":3}""",
                "vocab.txt" to "[PAD]\né\u2028\n##字\n",
                "tokenizer_config.json" to """{"do_lower_case": false}""",
            )
    }
}
