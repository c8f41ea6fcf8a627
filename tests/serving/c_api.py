"""A program that runs a SavedModel as TF Serving does: TensorFlow's C++, no Python.

    python c_api.py LIBRARY OPS…  <request.json  >answer.json

It imports neither tensorflow nor keras: through ctypes it has loader and session
of LIBRARY, libtensorflow_cc, and it loads the libraries OPS. The request has `folder`;
`inputs`, nested lists of strings or integers by the names of tensors; and `outputs`, by
which name each tensor is to be told.
"""

import ctypes
import json
import sys

import numpy as np

_FLOAT, _INT32, _STRING, _INT64 = 1, 3, 7, 9
_DTYPES = {_FLOAT: np.float32, _INT32: np.int32, _INT64: np.int64}
_STRING_SIZE = 24  # bytes of a TF_TString
_pointer = ctypes.c_void_p


class Output(ctypes.Structure):
    _fields_ = [("operation", _pointer), ("index", ctypes.c_int)]


def functions(path):
    """The library, with what its functions return."""
    library = ctypes.CDLL(path, ctypes.RTLD_GLOBAL)
    returned = {
        **dict.fromkeys(
            (
                *("NewStatus", "LoadLibrary", "NewGraph", "NewSessionOptions"),
                *("LoadSessionFromSavedModel", "GraphOperationByName"),
                *("AllocateTensor", "TensorData", "StringGetDataPointer"),
            ),
            _pointer,
        ),
        "Message": ctypes.c_char_p,
        "Dim": ctypes.c_int64,
        "StringGetSize": ctypes.c_size_t,
    }
    for name, kind in returned.items():
        getattr(library, f"TF_{name}").restype = kind
    return library


def main(path, *ops):
    tf = functions(path)
    status = _pointer(tf.TF_NewStatus())

    def checked(result):
        if tf.TF_GetCode(status):
            sys.exit(tf.TF_Message(status).decode())
        return _pointer(result)

    for library in ops:
        checked(tf.TF_LoadLibrary(library.encode(), status))
    request = json.load(sys.stdin)
    graph = _pointer(tf.TF_NewGraph())
    session = checked(
        tf.TF_LoadSessionFromSavedModel(
            _pointer(tf.TF_NewSessionOptions()),
            None,
            request["folder"].encode(),
            (ctypes.c_char_p * 1)(b"serve"),
            1,
            graph,
            None,
            status,
        )
    )

    def output(name):
        operation, _, index = name.partition(":")
        found = tf.TF_GraphOperationByName(graph, operation.encode())
        return Output(found, int(index))

    def allocated(kind, shape, size):
        dims = (ctypes.c_int64 * len(shape))(*shape)
        return _pointer(
            tf.TF_AllocateTensor(kind, dims, len(shape), ctypes.c_size_t(size))
        )

    def tensor(values):
        array = np.array(values)
        if array.dtype.kind != "U":
            array = array.astype(np.int32)
            result = allocated(_INT32, array.shape, array.nbytes)
            ctypes.memmove(tf.TF_TensorData(result), array.ctypes.data, array.nbytes)
            return result
        result = allocated(_STRING, array.shape, _STRING_SIZE * array.size)
        start = tf.TF_TensorData(result)
        for place, text in enumerate(array.ravel().tolist()):
            string, data = _pointer(start + _STRING_SIZE * place), text.encode()
            tf.TF_StringInit(string)
            tf.TF_StringCopy(string, data, ctypes.c_size_t(len(data)))
        return result

    def listed(result):
        shape = [tf.TF_Dim(result, axis) for axis in range(tf.TF_NumDims(result))]
        kind, start = tf.TF_TensorType(result), tf.TF_TensorData(result)
        count = int(np.prod(shape))
        if kind != _STRING:
            dtype = np.dtype(_DTYPES[kind])
            data = ctypes.string_at(start, count * dtype.itemsize)
            return np.frombuffer(data, dtype).reshape(shape).tolist()
        strings = []
        for place in range(count):
            string = _pointer(start + _STRING_SIZE * place)
            data = _pointer(tf.TF_StringGetDataPointer(string))
            strings.append(ctypes.string_at(data, tf.TF_StringGetSize(string)).decode())
        return np.array(strings, object).reshape(shape).tolist()

    inputs, outputs = request["inputs"], request["outputs"]
    results = (_pointer * len(outputs))()
    tf.TF_SessionRun(
        session,
        None,
        (Output * len(inputs))(*map(output, inputs)),
        (_pointer * len(inputs))(*map(tensor, inputs.values())),
        len(inputs),
        (Output * len(outputs))(*map(output, outputs.values())),
        results,
        len(outputs),
        None,
        0,
        None,
        status,
    )
    checked(None)
    names = zip(outputs, results, strict=True)
    answers = {name: listed(_pointer(result)) for name, result in names}
    assert not {"tensorflow", "keras"} & set(sys.modules)
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
