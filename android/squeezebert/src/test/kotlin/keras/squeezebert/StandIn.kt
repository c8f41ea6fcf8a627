package keras.squeezebert

/** A model that gives what it was told to, and keeps what it was given. */
class StandIn(
    override val config: ModelConfig,
    override val tokenizer: SqueezeBertTokenizer,
    override val maxLength: Int,
    outputs: List<Outputs>,
) : Model {
    private val left = outputs.iterator()

    /** The rows of each run. */
    val runs = mutableListOf<List<Encoding>>()

    override fun run(rows: List<Encoding>): Outputs {
        runs += rows
        return left.next()
    }
}
