"""Sans-I/O parts that the codecs of several protocols share."""
