"""``pyarrow.dataset`` as sources: its Parquet files one by one, or else its batches as a stream.

A shell: reads footers. The scanner of a dataset reads ahead, and its memory grows with the files;
a file that needs nothing from its dataset is read as any other file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ..sources.parquet import ParquetSource
from ..sources.source import Source, TableSource, names_of
from .file_view import FileView
from .spool import GROUP_ROWS
from .stream import Stream

__all__ = ["dataset_stream", "is_dataset", "is_scanner", "sources_of"]


# A scanner that reads no more ahead than it must.
_SLOWLY: Final[dict[str, Any]] = {
    "batch_size": GROUP_ROWS,
    "batch_readahead": 1,
    "fragment_readahead": 1,
    "use_threads": False,
}


def is_dataset(value: Any) -> bool:
    """Return True for a dataset; its library is not imported for other objects."""
    return any(
        one.__module__ == "pyarrow._dataset" and one.__name__ == "Dataset"
        for one in type(value).__mro__
    )


def is_scanner(value: Any) -> bool:
    """Return True for the scanner of a dataset."""
    return type(value).__module__ == "pyarrow._dataset" and type(value).__name__ == "Scanner"


def sources_of(dataset: Any, name: str) -> list[Source] | None:
    """Return the files of a dataset as sources; None if they alone do not give its rows."""
    import pyarrow.dataset as ds

    if isinstance(dataset, ds.InMemoryDataset):
        return [TableSource(dataset.to_table(), name)]
    if _filter_of(dataset) is not None:
        return None
    if isinstance(dataset, ds.UnionDataset):
        parts = [sources_of(child, name) for child in dataset.children]
        is_whole = all(child.schema == dataset.schema for child in dataset.children)
        return [one for part in parts for one in part or ()] if is_whole and all(parts) else None
    if not _is_local_parquet(dataset):
        return None
    fragments = list(dataset.get_fragments())
    if not fragments or not all(_is_plain(one, dataset.schema) for one in fragments):
        return None
    return [_source_of(one, dataset.schema) for one in fragments]


def _filter_of(dataset: Any) -> Any:
    return (getattr(dataset, "_scan_options", None) or {}).get("filter")


def _is_local_parquet(dataset: Any) -> bool:
    import pyarrow.dataset as ds
    from pyarrow.fs import LocalFileSystem

    return (
        isinstance(dataset, ds.FileSystemDataset)
        and isinstance(dataset.format, ds.ParquetFileFormat)
        and isinstance(dataset.filesystem, LocalFileSystem)
    )


def _is_plain(fragment: Any, schema: pa.Schema) -> bool:
    """Return True if a file has all rows and columns of its fragment, in their types."""
    own = fragment.physical_schema
    named = _keys_of(fragment)
    types = {field.name: field.type for field in own}
    return (
        fragment.num_row_groups == fragment.metadata.num_row_groups
        and len(types) == len(own)
        and set(types) | set(named) == set(schema.names)
        and not set(types) & set(named)
        and all(types.get(field.name, field.type) == field.type for field in schema)
    )


def _keys_of(fragment: Any) -> dict[str, Any]:
    from pyarrow.dataset import get_partition_keys

    return dict(get_partition_keys(fragment.partition_expression))


def _source_of(fragment: Any, schema: pa.Schema) -> Source:
    named = {
        key: None if value is None else str(value) for key, value in _keys_of(fragment).items()
    }
    inner = ParquetSource.open(Path(fragment.path), named)
    types = {key: _value_type(schema.field(key).type) for key in named}
    return FileView(inner, types) if types else inner


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def dataset_stream(dataset: Any, name: str) -> Stream:
    """Return the rows of a dataset, a row group or a batch at a time."""
    schema = dataset.schema
    return Stream(
        lambda: _batches(dataset, schema, _filter_of(dataset)), names_of(schema, name), schema
    )


def _batches(dataset: Any, schema: pa.Schema, chosen: Any) -> Iterator[pa.RecordBatch]:
    import pyarrow.dataset as ds

    if isinstance(dataset, ds.UnionDataset):
        for child in dataset.children:
            yield from _batches(child, schema, chosen)
        return
    fragments = _fragments(dataset, chosen)
    if fragments is None:
        yield from dataset.scanner(**_SLOWLY).to_batches()
        return
    for fragment in fragments:
        is_parquet = isinstance(fragment, ds.ParquetFileFragment)
        # A row group at a time: a scanner reads ahead of a file that is read slowly.
        for part in fragment.split_by_row_group() if is_parquet else [fragment]:
            yield from part.scanner(schema=schema, filter=chosen, **_SLOWLY).to_batches()


def _fragments(dataset: Any, chosen: Any) -> Any:
    """Return the files of a dataset; None if it has a filter, and does not tell them."""
    if chosen is None:
        return iter(dataset.get_fragments())
    inner = getattr(dataset, "_get_fragments", None)  # the public one refuses to leave it out
    return None if inner is None else iter(inner(chosen))
