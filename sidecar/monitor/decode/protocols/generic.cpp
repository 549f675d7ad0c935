// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/protocols/generic.h"

#include <algorithm>

namespace outrider::decode::protocols {
namespace {

constexpr std::size_t index_digits_max = 20;

bool all_of(dom::array list, dom::element_type type) {
  return std::all_of(list.begin(), list.end(),
                     [type](dom::element element) { return element.type() == type; });
}

bool has_objects(dom::array list) {
  return std::any_of(list.begin(), list.end(),
                     [](dom::element element) { return element.is_object(); });
}

struct Members {
  std::size_t lists = 0, objects = 0, values = 0;
  std::size_t extent = 0;        // Of each list, or of each object.
  bool alike = true;             // They all have that extent.
  bool rows_of_own = false;      // A list has objects in it.
  bool is_index_inside = false;  // Every object's keys are an index.
  dom::element container;        // The first list or object.
};

Members look_at(dom::object object) {
  Members found;
  found.is_index_inside = true;
  for (const auto field : object) {
    if (!is_container(field.value)) {
      ++found.values;
      continue;
    }
    const auto list = array_of(field.value);
    const auto inner = object_of(field.value);
    const std::size_t extent = list ? list->size() : inner->size();
    if (found.lists + found.objects == 0) {
      found.extent = extent;
      found.container = field.value;
    }
    found.alike = found.alike && extent == found.extent;
    (list ? found.lists : found.objects)++;
    if (list) found.rows_of_own = found.rows_of_own || has_objects(*list);
    if (inner) found.is_index_inside = found.is_index_inside && has_index_keys(*inner);
  }
  return found;
}

RequestShape shape(Layout layout, dom::element at, std::size_t rows) {
  RequestShape made;
  made.layout = layout;
  made.at = at;
  made.rows = rows;
  return made;
}

void add_table_shapes(dom::element element, const Members& members, RequestShapes& out) {
  const dom::object object = object_in(element);
  if (members.extent == 0 || !members.alike) return;
  if (members.lists == 1) {
    const dom::array list = list_in(members.container);
    if (all_of(list, dom::element_type::OBJECT) || all_of(list, dom::element_type::ARRAY)) {
      RequestShape rows = shape(Layout::rows, members.container, members.extent);
      rows.beside = object;
      out.add(rows);
      return;
    }
  }
  if (members.lists == 0 || members.rows_of_own) return;
  RequestShape columns = shape(Layout::columns, element, members.extent);
  columns.beside = object;
  out.add(columns);
}

}  // namespace

bool has_index_keys(dom::object object) {
  for (const auto field : object) {
    const bool is_number = !field.key.empty() && field.key.size() < index_digits_max &&
                           std::all_of(field.key.begin(), field.key.end(),
                                       [](char c) { return c >= '0' && c <= '9'; });
    if (!is_number) return false;
  }
  return object.size() > 0;
}

void add_rows(dom::element list, RequestShapes& out) {
  if (const auto rows = array_of(list)) {
    out.add(shape(Layout::rows, list, rows->size()));
  } else {
    out.refuse(FailReason::wrong_type);
  }
}

void add_list_shapes(dom::element list, RequestShapes& out) {
  const dom::array rows = list_in(list);
  add_rows(list, out);
  if (rows.size() > 1 && !has_objects(rows)) out.add(shape(Layout::row, list, 1));
}

void add_object_shapes(dom::element element, RequestShapes& out) {
  const dom::object object = object_in(element);
  const Members members = look_at(object);
  const RequestShape row = shape(Layout::row, element, 1);
  if (members.objects == 0) {
    add_table_shapes(element, members, out);
    out.add(row);
    return;
  }
  if (object.size() == 1) {
    const Members inner = look_at(object_in(members.container));
    if (inner.objects == 0 && inner.lists > 0) add_table_shapes(members.container, inner, out);
  }
  const bool is_frame = members.lists == 0 && members.values == 0 && members.alike;
  if (!is_frame || members.extent == 0) {
    out.add(row);
    return;
  }
  const RequestShape by_row = shape(Layout::keyed_rows, element, object.size());
  const RequestShape by_column = shape(Layout::keyed_columns, element, members.extent);
  const bool is_index_outside = has_index_keys(object);
  if (is_index_outside != members.is_index_inside) {
    out.add(is_index_outside ? by_row : by_column);
    out.add(row);
    return;
  }
  out.add(row);
  if (by_row.rows == by_column.rows) return;  // Nothing could tell them apart.
  out.add(by_row);
  out.add(by_column);
}

void add_shapes(dom::element element, RequestShapes& out) {
  if (element.is_array()) add_list_shapes(element, out);
  if (element.is_object()) add_object_shapes(element, out);
}

}  // namespace outrider::decode::protocols
