"""The Open Inference Protocol (KServe v2) over HTTP with the binary tensor extension, as data and as two ends.

::

    tensors.py     named arrays <-> the protocol's tensors; where each one's bytes stand in a message
    document.py    the JSON before the tensors, read with strict limits: one error for whatever is wrong
    envelope.py    what benchkit adds to the JSON, so that its own messages keep number and checksum
    landing.py     a body on its way in: JSON aside, each tensor straight into its place
    app.py         the stage's end: health, metadata, infer for any client; intake.py one request
    sender.py      the producer's end; connection.py one connection, talk.py how it puts things
    server.py      a server of somebody else's as the stage: health, metadata, counters; region.py its shared memory

What is implemented: https://github.com/kserve/open-inference-protocol (specification/protocol/inference_rest.md)
and Triton's extensions to it (docs/protocol/extension_binary_data.md, extension_shared_memory.md,
extension_statistics.md).
"""
