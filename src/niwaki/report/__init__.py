"""The report: one result as data (JSON), as a page (HTML) and as a table (terminal).

A `Report` holds `VariantResult`s (dense, sparse only, the method), each with its `LayerResult`s,
training `History` and mask `Mosaic`s. ``report.json`` is the same, field by field and name by name
(`Report.to_dict`); times are milliseconds, shares lie in [0, 1], counts are for one image, `null`
means not measured:

```json
{"schema_version": 1, "title": "...", "model": "lenet5-caffe", "data": "mnist", "method": "bap",
 "form": "float",
 "variants": [
  {"name": "dense", "accuracy": 0.99, "weight_sparsity": 0.0, "size_bytes": 1724000,
   "multiplications": 2293000, "binary_operations": 0, "note": "",
   "latency": {"niwaki": {"median_ms": 0.1, "spread_ms": 0.01, "runs": 50, "threads": 1,
                          "version": "0.1.0"}},
   "layers": [{"name": "conv1", "op": "conv", "shape": [20, 1, 5, 5], "weights": 500,
               "nonzeros": 500, "binary_weights": 0, "format": "dense f32", "kernel": "...",
               "bytes": 2000, "multiplications": 288000, "binary_operations": 0, "ms": 0.01}],
   "history": {"epoch": [1], "loss": [0.3], "accuracy": [0.9], "sparsity": [0.0]},
   "mosaics": [{"name": "conv2", "rows": 50, "columns": 288, "bits": "base64 of packbits",
                "note": "..."}]}],
 "classes": ["0"], "confusion": [[10]], "recipe": "YAML text", "seeds": [0],
 "versions": {"torch": "..."}, "machine": {"cpu": "..."}, "verification": {},
 "budget": {"size_kb": {"asked": 60, "reached": 58.1}},
 "created": "2025-01-01T00:00:00+00:00", "seconds": 60.0}
```
"""

from niwaki.report._data import (
    History as History,
    LayerResult as LayerResult,
    Mosaic as Mosaic,
    Report as Report,
    VariantResult as VariantResult,
)
from niwaki.report._files import read as read, write as write
from niwaki.report._page import page as page
from niwaki.report._table import summary_table as summary_table
