package keras.squeezebert.litert

import keras.squeezebert.Encoding
import keras.squeezebert.InputError
import keras.squeezebert.Outputs
import org.tensorflow.lite.DataType
import org.tensorflow.lite.InterpreterApi
import java.nio.ByteBuffer
import java.nio.ByteOrder

private const val IDS = "input_ids"
private const val MASK = "attention_mask"
private const val TYPES = "token_type_ids"

/**
 * One .tflite in the interpreter, which runs rows of its length.
 *
 * @throws InputError It is no model of this package.
 */
internal class Bucket(
    private val interpreter: InterpreterApi,
    private val padTokenId: Int,
) : AutoCloseable {
    private val signature = signature()
    private val names = interpreter.getSignatureInputs(signature).sorted()
    private val shape = shape()
    private val inputs = names.associateWith { direct(Int.SIZE_BYTES * shape.reduce(Int::times)) }
    private val outputs = interpreter.getSignatureOutputs(signature).sorted().map(::output)

    /** Tokens of a row. */
    val length: Int = shape.last()

    /** What files of one model have in common. */
    val kind: Any = Triple(shape.dropLast(1), names, outputs.map { it.name })

    /** Runs rows that are no longer than [length], together. */
    fun run(rows: List<Encoding>): Outputs {
        val most = shape.reduce(Int::times) / length
        if (rows.isEmpty() || rows.size > most) {
            throw InputError("The model takes 1 to $most rows at a time. Received: ${rows.size}")
        }
        for ((name, buffer) in inputs) {
            buffer.rewind()
            for (row in rows) fill(buffer, values(name, row), if (name == IDS) padTokenId else 0)
            while (buffer.hasRemaining()) buffer.putInt(0)
            buffer.rewind()
        }
        for (output in outputs) output.buffer.rewind()
        interpreter.runSignature(inputs, outputs.associate { it.name to it.buffer }, signature)
        return outputs.associate { it.name to it.floats() }
    }

    override fun close() = interpreter.close()

    override fun toString() = "inputs $names of shape $shape, outputs ${outputs.map { it.name }}"

    private fun values(
        name: String,
        row: Encoding,
    ) = when (name) {
        IDS -> row.inputIds
        MASK -> row.attentionMask
        else -> row.tokenTypeIds
    }

    private fun fill(
        buffer: ByteBuffer,
        values: IntArray,
        padding: Int,
    ) {
        for (value in values) buffer.putInt(value)
        repeat(length - values.size) { buffer.putInt(padding) }
    }

    // === What the file is

    private fun signature(): String =
        interpreter.signatureKeys.singleOrNull()
            ?: throw noModel("signatures ${interpreter.signatureKeys.toList()} instead of one")

    /** That of each input: (1, tokens) or (1, choices, tokens). */
    private fun shape(): List<Int> {
        val tensors = names.map { interpreter.getInputTensorFromSignature(it, signature) }
        val shape = tensors.map { it.shape().toList() }.distinct().singleOrNull()
        val isOurs =
            IDS in names && names.all { it in listOf(IDS, MASK, TYPES) } &&
                tensors.all { it.dataType() == DataType.INT32 }
        if (!isOurs || shape == null || shape.size !in 2..3 || shape[0] != 1) {
            val received =
                names.zip(tensors) { name, tensor ->
                    "$name ${tensor.dataType()} ${tensor.shape().toList()}"
                }
            throw noModel("inputs ${received.joinToString()}")
        }
        return shape
    }

    private fun output(name: String): Output {
        val tensor = interpreter.getOutputTensorFromSignature(name, signature)
        val buffer = direct(tensor.numBytes())
        val size = tensor.numElements()
        return when (tensor.dataType()) {
            DataType.FLOAT32 -> {
                Output(name, buffer, size) { it.float }
            }

            DataType.INT8 -> {
                val scale = tensor.quantizationParams().scale
                val zeroPoint = tensor.quantizationParams().zeroPoint
                Output(name, buffer, size) { scale * (it.get() - zeroPoint) }
            }

            else -> {
                throw noModel("the output $name of ${tensor.dataType()}")
            }
        }
    }

    private fun noModel(received: String) =
        InputError(
            "The .tflite must be as `squeezebert export` writes it with a batch size of 1: one " +
                "signature, int32 inputs $IDS, $MASK and $TYPES of one shape, outputs that are " +
                "float32 or int8. Received: $received",
        )
}

/** An output of the interpreter: where it is written, and how a value is read from there. */
private class Output(
    val name: String,
    val buffer: ByteBuffer,
    private val size: Int,
    private val next: (ByteBuffer) -> Float,
) {
    fun floats(): FloatArray {
        buffer.rewind()
        return FloatArray(size) { next(buffer) }
    }
}

/** Memory that the interpreter reads and writes without copies. */
private fun direct(bytes: Int) = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())
