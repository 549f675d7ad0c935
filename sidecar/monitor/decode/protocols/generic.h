// SPDX-License-Identifier: Apache-2.0
#pragma once

// What lists and objects mean where no protocol says more, as FastAPI, Flask and others have them:
//
//   [{"a": 1}, {"a": 2}]              a row an element
//   [[1, 2], [3, 4]]                  a row an element; or all of it is one row
//   [1, 2, 3]                         a row an element; or all of it is one row
//   {"a": 1, "b": {"c": [1, 2]}}      one row, flattened: a, b.c.0, b.c.1
//   {"a": [1, 2], "b": [3, 4]}        rows by columns, or one row. Single values beside are each row's.
//   {"rows": [{…}, {…}], "user": 7}   one list of rows; single values beside are each row's
//   {"0": {"a": 1}, "1": {"a": 2}}    pandas' orients "index" and "columns": the level whose keys are whole
//   {"a": {"0": 1, "1": 2}}           numbers is the rows; where neither or both do, the answer decides
//   {"df": {…}}                       one member that is rows by columns: those

#include "sidecar/monitor/decode/protocols/request_shape.h"

namespace outrider::decode::protocols {

// `list` is one, `object` is one.
void add_list_shapes(dom::element list, RequestShapes& out);
void add_object_shapes(dom::element object, RequestShapes& out);
// Of either; a value by itself has no shape.
void add_shapes(dom::element element, RequestShapes& out);

// Rows only, as a protocol means it. wrong_type where it is no list.
void add_rows(dom::element list, RequestShapes& out);

// "0", "1", "7", …: the keys of a frame's rows. In the order in which they are written.
bool has_index_keys(dom::object object);

}  // namespace outrider::decode::protocols
