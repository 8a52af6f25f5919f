#include "shadow/parse_tree.h"

#include <pg_query.h>

#include <algorithm>

#include "protocol/text.h"
#include "shadow/token_scanner.h"

namespace pgparity::shadow {
namespace {

constexpr size_t kAlign = alignof(std::max_align_t);

void* ArenaAllocate(void* arena, size_t size) { return static_cast<Arena*>(arena)->Allocate(size); }
void ArenaFree(void*, void*) {}

struct ParseResultDeleter {
  void operator()(PgQueryProtobufParseResult* r) const { pg_query_free_protobuf_parse_result(*r); }
};

}  // namespace

void* Arena::Allocate(size_t size) {
  size = (size + kAlign - 1) / kAlign * kAlign;
  if (size > left_) {
    const size_t next = std::min<size_t>(16 << 10 << std::min<size_t>(blocks_.size(), 6), 1 << 20);
    left_ = std::max(size, next);
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(left_));
    at_ = blocks_.back().get();
  }
  char* result = at_;
  at_ += size;
  left_ -= size;
  return result;
}

absl::Status CheckCaps(std::string_view statement) {
  if (statement.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError("the statement holds a zero byte");
  }
  if (statement.size() <= kSafeBytes) return absl::OkStatus();
  if (statement.size() > kMaxStatementBytes) {
    return absl::InvalidArgumentError(
        protocol::StrCat("longer than ", kMaxStatementBytes, " bytes"));
  }
  const TextCost cost = MeasureText(statement, kMaxTokens, kMaxDepth);
  if (cost.tokens > kMaxTokens) {
    return absl::InvalidArgumentError(protocol::StrCat("more than ", kMaxTokens, " tokens"));
  }
  if (cost.depth > kMaxDepth) {
    return absl::InvalidArgumentError(
        protocol::StrCat("may nest deeper than ", kMaxDepth, " levels"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ParseTree> ParseTree::Parse(std::string_view statement) {
  if (absl::Status caps = CheckCaps(statement); !caps.ok()) return caps;
  const std::string text(statement);
  PgQueryProtobufParseResult result = pg_query_parse_protobuf(text.c_str());
  const std::unique_ptr<PgQueryProtobufParseResult, ParseResultDeleter> guard(&result);
  if (result.error != nullptr) {
    return absl::InvalidArgumentError(result.error->message == nullptr ? "syntax error"
                                                                       : result.error->message);
  }
  ParseTree tree;
  tree.arena_ = std::make_unique<Arena>();
  ProtobufCAllocator allocator{ArenaAllocate, ArenaFree, tree.arena_.get()};
  const PgQuery__ParseResult* root = pg_query__parse_result__unpack(
      &allocator, result.parse_tree.len, reinterpret_cast<const uint8_t*>(result.parse_tree.data));
  if (root == nullptr) return absl::InvalidArgumentError("the parser's answer cannot be read");
  if (root->n_stmts > 1) return absl::InvalidArgumentError("more than one statement");
  if (root->n_stmts == 1) tree.statement_ = root->stmts[0]->stmt;
  return tree;
}

const ProtobufCMessage* Inner(const PgQuery__Node* node) {
  if (node == nullptr || node->node_case == PG_QUERY__NODE__NODE__NOT_SET) return nullptr;
  // Every member of the union is a pointer to a message.
  return reinterpret_cast<const ProtobufCMessage*>(node->alias);
}

std::string_view StringOf(const PgQuery__Node* node) {
  if (node == nullptr || node->node_case != PG_QUERY__NODE__NODE_STRING) return {};
  return node->string->sval;
}

NodeName QualifiedName(PgQuery__Node* const* parts, size_t count) {
  NodeName name;
  if (count >= 1) name.name = StringOf(parts[count - 1]);
  if (count >= 2) name.schema = StringOf(parts[count - 2]);
  return name;
}

}  // namespace pgparity::shadow
