package keras.squeezebert

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.CsvSource

class TokenizerOptionsTest {
    @Test
    fun `what a file lacks has the defaults of uncased BERT`() {
        assertEquals(TokenizerOptions(), TokenizerOptions.parse("{}"))
    }

    @Test
    fun `options that are written out`() {
        val options =
            TokenizerOptions.parse(
                """
                {"do_lower_case": false, "strip_accents": null, "model_max_length": null,
                 "mask_token": {"content": "<mask>", "lstrip": false},
                 "added_tokens_decoder": {"4": {"content": "<mask>"}},
                 "tokenizer_class": "SqueezeBertTokenizer"}
                """,
            )
        assertEquals(
            TokenizerOptions(doLowerCase = false, stripAccents = false, maskToken = "<mask>"),
            options,
        )
        assertEquals(listOf("[UNK]", "[SEP]", "[PAD]", "[CLS]", "<mask>"), options.specialTokens)
    }

    @Test
    fun `a length that is not set`() {
        for (unset in listOf("1e30", "1000000000000000019884624838656", "null")) {
            assertEquals(
                512,
                TokenizerOptions.parse("""{"model_max_length": $unset}""").modelMaxLength,
            )
        }
        assertEquals(64, TokenizerOptions.parse("""{"model_max_length": 64}""").modelMaxLength)
    }

    @ParameterizedTest
    @CsvSource(
        delimiter = '|',
        quoteCharacter = '`',
        textBlock = """
            {"do_lower_case": "yes"}       | `do_lower_case` is of the wrong type.*="yes"
            {"do_lower_case": null}        | Received: do_lower_case=null
            {"strip_accents": 1}           | Received: strip_accents=1
            {"mask_token": 4}              | Received: mask_token=4
            {"mask_token": {"lstrip": 1}}  | Received: mask_token=\{"lstrip":1}
            {"model_max_length": "512"}    | Received: model_max_length="512"
            {"model_max_length": 7.5}      | Received: model_max_length=7\.5
            {"model_max_length": 2}        | Received: model_max_length=2
            {"mask_token": "[SEP]"}        | must differ from one another
            {"mask_token": "mask"}         | must hold a punctuation mark.*"mask"
            {"mask_token": "!"}            | must hold a punctuation mark.*"!"
            {"added_tokens_decoder": {"9": {"content": "<x>"}}} | adds another.*"<x>"
            {"do_lower_case": yes}         | wrong type.*yes
            {                              | tokenizer_config\.json is not JSON
            []                             | must hold a JSON object\. Received: \[]""",
    )
    fun `options that do not fit`(
        json: String,
        message: String,
    ) {
        assertRefused(message) { TokenizerOptions.parse(json) }
    }
}
