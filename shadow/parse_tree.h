// The parse tree of one statement, from libpg_query. Include only where the tree is walked: the
// generated header is large.
#pragma once

#include <pg_query/pg_query.pb-c.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace pgparity::shadow {

// Above these a text is refused before the parser sees it. libpg_query and protobuf-c recurse
// without looking at the stack: up to 3.8 KB for each unit of MeasureText's depth were measured, so
// 400 take 1.5 MB.
inline constexpr size_t kMaxStatementBytes = 32 << 20;
inline constexpr size_t kMaxTokens = 600'000;  // about 200 bytes each while the tree lives
inline constexpr size_t kMaxDepth = 400;
// Too short to nest deeper than a stack bears, whatever it holds.
inline constexpr size_t kSafeBytes = 512;

// Ok if the text may be handed to libpg_query.
absl::Status CheckCaps(std::string_view statement);

// Memory that is freed at once. Grows by blocks.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  void* Allocate(size_t size);

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* at_ = nullptr;
  size_t left_ = 0;
};

class ParseTree {
 public:
  // Checks the caps, then parses. InvalidArgument with the parser's message (which may quote a
  // piece of the text) if it cannot be parsed, or holds more than one statement.
  static absl::StatusOr<ParseTree> Parse(std::string_view statement);

  // Null if the text is empty or a comment. Lives as long as the ParseTree.
  const PgQuery__Node* statement() const { return statement_; }

 private:
  std::unique_ptr<Arena> arena_;
  const PgQuery__Node* statement_ = nullptr;
};

// The message that a node holds; null for null and for an empty node.
const ProtobufCMessage* Inner(const PgQuery__Node* node);

template <typename T>
const T* As(const ProtobufCMessage* message, const ProtobufCMessageDescriptor& descriptor) {
  return message != nullptr && message->descriptor == &descriptor
             ? reinterpret_cast<const T*>(message)
             : nullptr;
}

// Calls fn(const ProtobufCMessage*) for each message directly beneath, nodes unwrapped.
template <typename Fn>
void ForEachChild(const ProtobufCMessage* message, Fn&& fn) {
  const ProtobufCMessageDescriptor* d = message->descriptor;
  const char* base = reinterpret_cast<const char*>(message);
  auto visit = [&](const ProtobufCMessage* child) {
    if (child != nullptr && child->descriptor == &pg_query__node__descriptor) {
      child = Inner(reinterpret_cast<const PgQuery__Node*>(child));
    }
    if (child != nullptr) fn(child);
  };
  for (unsigned i = 0; i < d->n_fields; ++i) {
    const ProtobufCFieldDescriptor& field = d->fields[i];
    if (field.type != PROTOBUF_C_TYPE_MESSAGE) continue;
    if (field.label == PROTOBUF_C_LABEL_REPEATED) {
      const size_t count = *reinterpret_cast<const size_t*>(base + field.quantifier_offset);
      auto* const* items = *reinterpret_cast<ProtobufCMessage* const* const*>(base + field.offset);
      for (size_t k = 0; k < count; ++k) visit(items[k]);
    } else if ((field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
               *reinterpret_cast<const uint32_t*>(base + field.quantifier_offset) == field.id) {
      visit(*reinterpret_cast<ProtobufCMessage* const*>(base + field.offset));
    }
  }
}

// The last part of a qualified name ("pg_catalog", "now" -> "now"), and the part before it or "".
struct NodeName {
  std::string_view schema, name;
};
NodeName QualifiedName(PgQuery__Node* const* parts, size_t count);
std::string_view StringOf(const PgQuery__Node* node);  // of a String node, else ""

}  // namespace pgparity::shadow
