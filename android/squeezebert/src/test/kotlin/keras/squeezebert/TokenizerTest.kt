package keras.squeezebert

import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.CsvSource
import java.util.stream.Collectors

/** The parts of the tokenizer that the golden file does not reach. */
class TokenizerTest {
    @Test
    fun `tokens of a text`() {
        assertEquals(listOf("una", "##ffa", "##ble", "!"), tokenizer.tokenize("Unaffable!"))
        assertEquals(emptyList<String>(), tokenizer.tokenize(""))
        assertEquals(emptyList<String>(), tokenizer.tokenize("\u0000\ud800"))
    }

    @Test
    fun `arrays that a model takes`() {
        val encoding = tokenizer.encode("a b", "c", maxLength = 8, padToMaxLength = true)
        assertArrayEquals(intArrayOf(101, 1037, 1038, 102, 1039, 102, 0, 0), encoding.inputIds)
        assertArrayEquals(intArrayOf(1, 1, 1, 1, 1, 1, 0, 0), encoding.attentionMask)
        assertArrayEquals(intArrayOf(0, 0, 0, 0, 1, 1, 0, 0), encoding.tokenTypeIds)
        assertArrayEquals(
            intArrayOf(0, 0, 0, 1, 2, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0),
            encoding.offsets,
        )
    }

    @Test
    fun `the model's own length`() {
        val text = "a ".repeat(600)
        assertEquals(512, tokenizer.encode(text).size)
        assertEquals(512, tokenizer.encode("a", padToMaxLength = true).size)
        assertEquals(602, tokenizer.encode(text, truncation = false).size)
    }

    @Test
    fun `ids of the special tokens`() {
        val ids =
            tokenizer.run {
                listOf(
                    unkTokenId,
                    sepTokenId,
                    padTokenId,
                    clsTokenId,
                    maskTokenId,
                )
            }
        assertEquals(listOf(100, 102, 0, 101, 103), ids)
    }

    @Test
    fun `arguments that do not fit`() {
        assertRefused("the 2 special tokens\\. Received: maxLength=1") {
            tokenizer.encode("a", maxLength = 1)
        }
        assertRefused("the 3 special tokens\\. Received: maxLength=2") {
            tokenizer.encode("a", "b", maxLength = 2)
        }
        assertRefused("has 5 tokens, 1 too many, and truncation is off\\. Received: maxLength=4") {
            tokenizer.encode("a b c", maxLength = 4, truncation = false)
        }
    }

    /** What each is as one unit, it is a million times; the tokens of a unit are none or more. */
    @ParameterizedTest
    @CsvSource(
        "'the quick brown fox ', 4",
        "'!', 1",
        "'字', 1",
        "'[MASK]', 1",
        "'[MASK ', 2",
        "'\u0000', 0",
        "'\ud83d\ude00 ', 1",
        "'\ud800', 0",
        "'שלום ', 4",
        "'مرحبا ', 5",
        "'\u0301\u0323\u302e\ud834\udd65 ', 1",
    )
    fun `a paste of a million characters`(
        unit: String,
        tokens: Int,
    ) {
        val count = 1_000_000 / unit.length
        val text = unit.repeat(count)
        assertEquals(tokens * count + 2, tokenizer.encode(text, truncation = false).size)
        assertEquals(if (tokens == 0) 2 else 512, tokenizer.encode(text).size)
    }

    @Test
    fun `a run of a million marks that are out of order`() {
        val marks = "\u302e\u0334\ud834\udd65".repeat(250_000)
        assertEquals(listOf("[UNK]"), tokenizer.tokenize(marks))
    }

    @Test
    fun `one word of a million characters is unknown`() {
        assertEquals(listOf("[UNK]"), tokenizer.tokenize("a".repeat(1_000_000)))
    }

    @Test
    fun `threads may share it`() {
        val texts = List(200) { "text $it " + "é".repeat(it) }
        val expected = texts.map { tokenizer.tokenize(it) }
        val received = texts.parallelStream().map { tokenizer.tokenize(it) }
        assertEquals(expected, received.collect(Collectors.toList()))
    }

    @Test
    fun `vocabularies that are none`() {
        assertRefused("lacks a special token\\. Received: \"\\[UNK]\", 0 tokens") {
            SqueezeBertTokenizer(emptyList())
        }
        assertRefused(
            "must not be empty.*vocabulary\\[5]=\"\"",
        ) { SqueezeBertTokenizer(special + "") }
        assertRefused("must differ.*vocabulary\\[5]=vocabulary\\[6]=\"a\"") {
            SqueezeBertTokenizer(special + "a" + "a")
        }
    }

    @Test
    fun `a vocabulary without pieces that continue words`() {
        val tokens = SqueezeBertTokenizer(special + "a" + "##").tokenize("a aa ## a#")
        assertEquals(listOf("a", "[UNK]", "[UNK]", "[UNK]", "a", "[UNK]"), tokens)
    }

    @Test
    fun `tables that are none`() {
        assertRefused("contents of code_points\\.txt.*no section") { CodePoints("") }
        assertRefused("Received: <!doctype html>") { CodePoints("<!doctype html>") }
        assertRefused("Received: 41 zz") { CodePoints("[drop]\n41 zz\n") }
    }

    private companion object {
        val special = listOf("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
        val tokenizer = SqueezeBertTokenizer(uncased)
    }
}
