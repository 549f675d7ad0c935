// SPDX-License-Identifier: Apache-2.0
#pragma once

// A doubly linked list through its members: no allocation, O(1) to join and to leave. A ListLink is
// the head of a list, or, as a ListEntry, the place in it of its owner; a list that is not linked
// is empty. An entry is in at most one list, and leaves it when it goes away.
//
//   ListLink waiting;                                       // empty
//   ListEntry<Request> entry(request);
//   waiting.append(entry);
//   owner_of<Request>(*waiting.next);                       // request
//
// Thread-safety: one thread.

namespace outrider::proxy {

struct ListLink {
  ListLink() = default;
  ListLink(const ListLink&) = delete;
  ListLink& operator=(const ListLink&) = delete;
  ~ListLink() { unlink(); }

  bool is_linked() const { return next != this; }
  void unlink() {
    next->previous = previous;
    previous->next = next;
    next = previous = this;
  }
  void append(ListLink& link) {  // To the list whose head this is.
    link.next = this;
    link.previous = previous;
    previous->next = &link;
    previous = &link;
  }

  ListLink* next = this;
  ListLink* previous = this;
};

template <class T>
struct ListEntry : ListLink {
  explicit ListEntry(T& t) : owner(t) {}
  T& owner;
};

template <class T>
T& owner_of(ListLink& link) {
  return static_cast<ListEntry<T>&>(link).owner;
}

}  // namespace outrider::proxy
