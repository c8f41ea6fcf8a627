"""float_gelu: has a .tflite compute GELU where XNNPACK does so fastest."""

import copy

from ai_edge_litert import schema_py_generated as schema

from keras_squeezebert.tflite.graph_file import packed


def float_gelu(content: bytes) -> bytes:
    """Puts every int8 GELU of a graph between a DEQUANTIZE and a QUANTIZE.

    The converter makes a GELU between two quantized tensors an int8 operation, which
    XNNPACK does not take: the graph falls into two parts at each. It does take this
    form, and runs it as one table lookup. The values differ from those of TFLite's own
    int8 GELU by no more than its rounding.

    Args:
        content: A .tflite.

    Returns:
        The .tflite with the operations changed.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for graph in model.subgraphs:
        operators = []
        for operator in graph.operators:
            if _is_int8_gelu(model, graph, operator):
                operators += _in_float(model, graph, operator)
            else:
                operators.append(operator)
        graph.operators = operators
    return packed(model, len(content))


def _is_int8_gelu(model, graph, operator):
    code = model.operatorCodes[operator.opcodeIndex].builtinCode
    tensor = graph.tensors[operator.inputs[0]]
    return code == schema.BuiltinOperator.GELU and tensor.type == schema.TensorType.INT8


def _in_float(model, graph, gelu):
    (x,), (y,) = gelu.inputs, gelu.outputs
    float_x, float_y = (_float_copy(graph, index) for index in (x, y))
    gelu.inputs, gelu.outputs = [float_x], [float_y]
    return (
        _operator(model, schema.BuiltinOperator.DEQUANTIZE, x, float_x),
        gelu,
        _operator(model, schema.BuiltinOperator.QUANTIZE, float_y, y),
    )


def _float_copy(graph, index):
    """Adds a float tensor of the shape of another; returns its index."""
    tensor = copy.copy(graph.tensors[index])
    tensor.name += b"_float"
    tensor.type = schema.TensorType.FLOAT32
    tensor.quantization = None
    tensor.buffer = 0  # the one without content, for what is computed
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _operator(model, builtin, x, y):
    operator = schema.OperatorT()
    operator.opcodeIndex = _opcode(model, builtin)
    operator.inputs, operator.outputs = [x], [y]
    return operator


def _opcode(model, builtin):
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == builtin:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
