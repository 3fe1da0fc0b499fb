"""The words of the wire: return codes, topics, messages and the sign-in signature. Pure."""
