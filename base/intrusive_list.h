// A doubly linked list whose links live in its items: no allocation, removal in constant time.
#pragma once

#include <type_traits>
#include <utility>

namespace viaduct {

template <class T, class Tag>
class IntrusiveList;

// To be a base of the items. An item that may be in several lists at once derives from one ListNode for
// each, told apart by Tag. It leaves its list when it is destroyed.
template <class Tag = void>
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  bool is_linked() const { return next_ != nullptr; }
  // Leaves the list it is in, if any.
  void unlink() {
    if (!is_linked()) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = nullptr;
  }

 private:
  template <class, class>
  friend class IntrusiveList;

  ListNode* previous_ = nullptr;
  ListNode* next_ = nullptr;
};

// A ring of nodes closed by the list's own. Owns none of its items. Stays where it was made.
template <class T, class Tag = void>
class IntrusiveList {
  using Node = ListNode<Tag>;

 public:
  IntrusiveList() { reset(); }
  ~IntrusiveList() { clear(); }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return ring_.next_ == &ring_; }
  // The ends; null where the list is empty.
  T* front() { return empty() ? nullptr : item(ring_.next_); }
  T* back() { return empty() ? nullptr : item(ring_.previous_); }
  // What comes after an item of this list; null after the last.
  T* next(T& current) {
    Node* node = static_cast<Node&>(current).next_;
    return node == &ring_ ? nullptr : item(node);
  }

  // The item must be in no list of this tag.
  void push_back(T& added) { link_before(ring_, added); }
  void push_front(T& added) { link_before(*ring_.next_, added); }
  // The item must be in this list.
  void remove(T& removed) { static_cast<Node&>(removed).unlink(); }
  T* pop_front() {
    T* first = front();
    if (first) remove(*first);
    return first;
  }
  // Moves everything of another list to the end of this one.
  void splice_back(IntrusiveList& other) {
    if (other.empty()) return;
    Node* first = other.ring_.next_;
    Node* last = other.ring_.previous_;
    other.reset();
    first->previous_ = ring_.previous_;
    ring_.previous_->next_ = first;
    last->next_ = &ring_;
    ring_.previous_ = last;
  }
  void clear() {
    while (!empty()) ring_.next_->unlink();
  }

 private:
  static T* item(Node* node) {
    static_assert(std::is_base_of_v<Node, T>);
    return static_cast<T*>(node);
  }
  void reset() { ring_.previous_ = ring_.next_ = &ring_; }
  static void link_before(Node& position, Node& added) {
    added.previous_ = position.previous_;
    added.next_ = &position;
    position.previous_->next_ = &added;
    position.previous_ = &added;
  }

  Node ring_;
};

}  // namespace viaduct
