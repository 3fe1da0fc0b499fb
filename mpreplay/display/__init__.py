"""Facts as people read them: sentences, amounts, tables, pictures, pages. Pure."""
