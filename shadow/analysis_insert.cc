// Where the parts of an INSERT stand in its text: the tree says what they are, the tokens where.
#include "shadow/analysis_walk.h"
#include "shadow/replay_rules.h"
#include "shadow/token_scanner.h"

namespace pgparity::shadow {
namespace {

bool IsName(const Token& token) {
  return token.kind == TokenKind::identifier || token.kind == TokenKind::quoted_identifier;
}

// Does it call nextval(), random(), now() or the like?
void FindGenerating(const ProtobufCMessage* message, ValueSource* value) {
  if (message == nullptr) return;
  if (const auto* call = As<PgQuery__FuncCall>(message, pg_query__func_call__descriptor)) {
    const NodeName name = QualifiedName(call->funcname, call->n_funcname);
    const FunctionClass cls = RuleOfFunction(name.schema, name.name).cls;
    value->generated =
        value->generated || cls == FunctionClass::sequence || cls == FunctionClass::generates;
    value->timed = value->timed || cls == FunctionClass::time;
  }
  value->timed = value->timed || message->descriptor == &pg_query__sqlvalue_function__descriptor;
  ForEachChild(message, [&](const ProtobufCMessage* child) { FindGenerating(child, value); });
}

ValueSource ValueInRow(const PgQuery__Node* node) {
  ValueSource value = ValueOf(node);
  if (value.kind != ValueSource::Kind::other) return value;
  FindGenerating(Inner(node), &value);
  const auto* call = As<PgQuery__FuncCall>(Inner(node), pg_query__func_call__descriptor);
  if (value.generated && call != nullptr && call->n_args == 1 &&
      QualifiedName(call->funcname, call->n_funcname).name == "nextval") {
    const ValueSource argument = ValueOf(call->args[0]);
    if (argument.kind == ValueSource::Kind::literal) value.nextval = argument.literal;
  }
  return value;
}

class InsertReader {
 public:
  InsertReader(std::string_view text, const PgQuery__InsertStmt& insert, InsertShape* shape)
      : text_(text), insert_(insert), shape_(shape), scanner_(text, insert.relation->location) {
    Advance();
  }

  // False if the tokens are not what the tree says.
  bool Read() {
    if (!ReadTarget() || !ReadColumns()) return false;
    shape_->list_at = token_.offset;
    if (!ReadOverriding()) return false;
    shape_->overriding_at = token_.offset;
    if (IsWord(text_, token_, "default")) return ReadDefaultValues();
    if (IsWord(text_, token_, "values")) return ReadRows();
    shape_->from_select = true;
    return insert_.select_stmt != nullptr;
  }

 private:
  void Advance() { token_ = scanner_.Next(); }
  bool Is(char c) const { return IsChar(text_, token_, c); }

  bool ReadTarget() {
    for (;;) {
      if (!IsName(token_)) return false;
      Advance();
      if (!Is('.')) break;
      Advance();
    }
    if (IsWord(text_, token_, "as")) {
      Advance();
      Advance();
    }
    return true;
  }

  bool ReadColumns() {
    if (insert_.n_cols == 0) return true;
    if (!Is('(')) return false;
    size_t commas = 0;
    for (Advance(); !Is(')'); Advance()) {
      if (token_.kind == TokenKind::end || token_.kind == TokenKind::bad) return false;
      commas += Is(',') ? 1 : 0;
    }
    shape_->columns_insert_at = token_.offset;
    Advance();
    for (size_t i = 0; i < insert_.n_cols; ++i) {
      const auto* column =
          As<PgQuery__ResTarget>(Inner(insert_.cols[i]), pg_query__res_target__descriptor);
      if (column == nullptr || column->n_indirection > 0) return false;
      shape_->columns.emplace_back(column->name);
    }
    return commas + 1 == insert_.n_cols;
  }

  bool ReadOverriding() {
    if (!IsWord(text_, token_, "overriding")) return true;
    shape_->has_overriding = true;
    const size_t begin = token_.offset;
    Advance();
    const bool user = IsWord(text_, token_, "user");
    Advance();
    if (!IsWord(text_, token_, "value")) return false;
    if (user) {
      shape_->overriding_user_offset = begin;
      shape_->overriding_user_length = token_.end() - begin;
    }
    Advance();
    return true;
  }

  bool ReadDefaultValues() {
    shape_->default_values = true;
    shape_->default_values_offset = token_.offset;
    Advance();
    shape_->default_values_length = token_.end() - shape_->default_values_offset;
    return IsWord(text_, token_, "values") && insert_.select_stmt == nullptr;
  }

  bool ReadRows() {
    const auto* select =
        As<PgQuery__SelectStmt>(Inner(insert_.select_stmt), pg_query__select_stmt__descriptor);
    if (select == nullptr) return false;
    if (select->n_values_lists == 0 || select->n_sort_clause > 0 ||
        select->limit_count != nullptr || select->limit_offset != nullptr ||
        select->larg != nullptr) {
      shape_->from_select = true;
      return true;
    }
    do {
      const size_t row = shape_->rows.size();
      if (row >= select->n_values_lists) return false;
      const auto* list =
          As<PgQuery__List>(Inner(select->values_lists[row]), pg_query__list__descriptor);
      if (list == nullptr || !ReadRow(*list)) return false;
    } while (Is(','));
    return shape_->rows.size() == select->n_values_lists;
  }

  // From in front of the '(' to behind the ')'.
  bool ReadRow(const PgQuery__List& list) {
    Advance();
    if (!Is('(')) return false;
    Advance();
    std::vector<ValueSource>& row = shape_->rows.emplace_back();
    for (;;) {
      if (row.size() >= list.n_items) return false;
      ValueSource value = ValueInRow(list.items[row.size()]);
      if (!ReadValue(&value)) return false;
      row.push_back(std::move(value));
      if (Is(')')) break;
      Advance();
    }
    shape_->row_ends.push_back(token_.offset);
    Advance();
    return row.size() == list.n_items;
  }

  // Ends at the ',' or ')' behind the value.
  bool ReadValue(ValueSource* value) {
    value->offset = token_.offset;
    size_t end = token_.offset;
    for (int depth = 0; depth > 0 || (!Is(',') && !Is(')')); Advance()) {
      if (token_.kind == TokenKind::end || token_.kind == TokenKind::bad) return false;
      if (Is('(') || Is('[')) ++depth;
      if (Is(')') || Is(']')) --depth;
      end = token_.end();
    }
    value->length = end - value->offset;
    return value->length > 0;
  }

  std::string_view text_;
  const PgQuery__InsertStmt& insert_;
  InsertShape* shape_;
  TokenScanner scanner_;
  Token token_;
};

void ReadConflict(const PgQuery__OnConflictClause& conflict, InsertShape* shape) {
  shape->on_conflict = true;
  shape->conflict_update = conflict.action == PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_UPDATE;
  if (conflict.infer == nullptr) return;
  for (size_t i = 0; i < conflict.infer->n_index_elems; ++i) {
    const auto* element = As<PgQuery__IndexElem>(Inner(conflict.infer->index_elems[i]),
                                                 pg_query__index_elem__descriptor);
    if (element == nullptr || *element->name == '\0') {
      shape->conflict_columns.clear();
      return;
    }
    shape->conflict_columns.emplace_back(element->name);
  }
}

}  // namespace

std::optional<InsertShape> InsertShapeOf(std::string_view text, const PgQuery__InsertStmt& insert) {
  if (insert.relation == nullptr || insert.relation->location < 0 ||
      static_cast<size_t>(insert.relation->location) >= text.size()) {
    return std::nullopt;
  }
  InsertShape shape;
  if (!InsertReader(text, insert, &shape).Read()) return std::nullopt;
  shape.has_returning = insert.n_returning_list > 0;
  if (insert.on_conflict_clause != nullptr) ReadConflict(*insert.on_conflict_clause, &shape);
  return shape;
}

}  // namespace pgparity::shadow
