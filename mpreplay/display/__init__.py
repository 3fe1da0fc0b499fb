"""Facts in a readable form: sentences, amounts, tables, pictures, pages. Pure."""
