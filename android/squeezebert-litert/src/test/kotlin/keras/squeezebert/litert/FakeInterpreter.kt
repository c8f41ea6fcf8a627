package keras.squeezebert.litert

import org.tensorflow.lite.DataType
import org.tensorflow.lite.InterpreterApi
import org.tensorflow.lite.Tensor
import java.lang.reflect.Proxy
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** What a tensor of a file is. */
class FakeTensor(
    val type: DataType,
    vararg val shape: Int,
    val quantization: Tensor.QuantizationParams = Tensor.QuantizationParams(0f, 0),
) {
    val elements = shape.fold(1, Int::times)
    val bytes = elements * if (type == DataType.INT8) 1 else 4
}

/**
 * An interpreter that answers as it is told, and is as strict about buffers as the real one.
 *
 * @param inputs Its inputs by name; all values that it is given are kept in [received].
 * @param outputs Its outputs by name.
 * @param compute Writes the outputs.
 */
class FakeInterpreter(
    private val inputs: Map<String, FakeTensor>,
    private val outputs: Map<String, FakeTensor>,
    private val keys: List<String> = listOf("serving_default"),
    private val compute: (Map<String, ByteBuffer>) -> Unit = {},
) {
    val received = mutableListOf<Map<String, List<Int>>>()
    var isClosed = false
        private set

    /** A proxy: of the interface it has what is used, whatever else a version has. */
    val api: InterpreterApi =
        proxy { name, arguments ->
            when (name) {
                "getSignatureKeys" -> keys.toTypedArray()
                "getSignatureInputs" -> inputs.keys.toTypedArray().also { checkKey(arguments[0]) }
                "getSignatureOutputs" -> outputs.keys.toTypedArray().also { checkKey(arguments[0]) }
                "getInputTensorFromSignature" -> tensor(inputs.getValue(arguments[0] as String))
                "getOutputTensorFromSignature" -> tensor(outputs.getValue(arguments[0] as String))
                "runSignature" -> run(arguments)
                "close" -> isClosed = true
                else -> error("Unexpected: $name")
            }
        }

    private fun checkKey(key: Any?) = check(key in keys) { "$key" }

    private fun run(arguments: List<Any?>) {
        check(!isClosed)
        checkKey(arguments[2])
        val given = buffers(arguments[0], inputs)
        received +=
            given.mapValues { (name, buffer) ->
                List(inputs.getValue(name).elements) { buffer.getInt() }
            }
        val written = buffers(arguments[1], outputs)
        compute(written)
        for ((name, buffer) in written) check(!buffer.hasRemaining()) { "$name is not written" }
    }

    private fun buffers(
        argument: Any?,
        tensors: Map<String, FakeTensor>,
    ): Map<String, ByteBuffer> {
        val buffers =
            (argument as Map<*, *>).entries.associate {
                it.key as String to
                    it.value as ByteBuffer
            }
        require(buffers.keys == tensors.keys) { "${buffers.keys} instead of ${tensors.keys}" }
        for ((name, buffer) in buffers) {
            require(buffer.isDirect && buffer.order() == ByteOrder.nativeOrder()) { name }
            require(buffer.remaining() == tensors.getValue(name).bytes) { "$name of $buffer" }
        }
        return buffers
    }
}

private fun tensor(fake: FakeTensor): Tensor =
    proxy { name, _ ->
        when (name) {
            "dataType" -> fake.type
            "shape" -> fake.shape
            "numBytes" -> fake.bytes
            "numElements" -> fake.elements
            "quantizationParams" -> fake.quantization
            else -> error("Unexpected: $name")
        }
    }

private inline fun <reified T> proxy(crossinline answer: (String, List<Any?>) -> Any?): T =
    Proxy.newProxyInstance(
        T::class.java.classLoader,
        arrayOf(T::class.java),
    ) { _, method, arguments ->
        // What returns nothing is to return null.
        answer(method.name, arguments.orEmpty().toList()).takeUnless {
            method.returnType ==
                Void.TYPE
        }
    } as T
