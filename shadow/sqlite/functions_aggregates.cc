// Aggregates, the window forms of those that have one, and nextval(). Source: numeric.c, float.c,
// array_userfuncs.c, json.c.
#include <algorithm>
#include <map>
#include <memory>

#include "shadow/sqlite/function_call.h"
#include "shadow/sqlite/json_text.h"

namespace pgparity::shadow::sqlite {
namespace {

using protocol::StrCat;

// What one group has gathered. SQLite gives it raw memory, in which a pointer to this stands.
class Aggregate {
 public:
  virtual ~Aggregate() = default;
  virtual void Add(Call& c) = 0;
  virtual void Remove(Call&) {}
  virtual void Finish(Call& c) = 0;
};

// numeric's sum and avg: the scale is that of the largest in the frame.
class NumericSum : public Aggregate {
 public:
  explicit NumericSum(bool average) : average_(average) {}
  void Add(Call& c) override {
    if (c.IsNull(0)) return;
    const Decimal value = c.Number(0);
    if (!value.finite()) {
      ++special_;
      return;
    }
    sum_ = sqlite::Add(sum_, value);
    ++count_;
    ++scales_[value.scale()];
  }
  void Remove(Call& c) override {
    if (c.IsNull(0)) return;
    const Decimal value = c.Number(0);
    if (!value.finite()) {
      --special_;
      return;
    }
    sum_ = Subtract(sum_, value);
    --count_;
    if (--scales_[value.scale()] == 0) scales_.erase(value.scale());
  }
  void Finish(Call& c) override {
    if (special_ > 0) return c.Refused("aggregate over NaN or infinity");
    if (count_ == 0) return c.ReturnNull();
    const Decimal sum = sum_.Rounded(scales_.rbegin()->first);
    c.Return(average_ ? Divide(sum, Decimal::FromInteger(count_)) : sum);
  }

 private:
  const bool average_;
  Decimal sum_;
  int64_t count_ = 0, special_ = 0;
  std::map<int, int64_t> scales_;
};

// float8's and float4's. No inverse: what leaves the frame is taken out, and the sum made again.
class FloatSum : public Aggregate {
 public:
  enum class Kind : uint8_t { sum, average, single_sum, variance };
  explicit FloatSum(Kind kind) : kind_(kind) {}
  void Add(Call& c) override {
    if (!c.IsNull(0)) values_.push_back(c.Real(0));
    if (kind_ == Kind::variance && c.count() > 1) form_ = c.Int(1);
  }
  void Remove(Call& c) override {
    if (!c.IsNull(0) && !values_.empty()) values_.erase(values_.begin());
  }
  void Finish(Call& c) override {
    if (values_.empty()) return c.ReturnNull();
    if (kind_ == Kind::variance) return Variance(c);
    double sum = 0;
    bool infinite = false;
    for (size_t i = 0; i < values_.size(); ++i) {
      infinite = infinite || std::isinf(values_[i]);
      // Begun with the first value, so that -0 stays.
      sum = i == 0 ? values_[0] : sum + values_[i];
      if (kind_ == Kind::single_sum) sum = static_cast<double>(static_cast<float>(sum));
    }
    if (kind_ == Kind::average) sum /= static_cast<double>(values_.size());
    c.ReturnReal(sum, infinite);
  }

 private:
  // float8_accum(): Youngs and Cramer's.
  void Variance(Call& c) {
    double n = 0, sx = 0, sxx = 0;
    for (const double value : values_) {
      n += 1;
      sx += value;
      if (n > 1) {
        const double tmp = value * n - sx;
        sxx += tmp * tmp / (n * (n - 1));
      }
    }
    const bool population = form_ >= 2, root = form_ == 0 || form_ == 2;
    if (n < 2 && !population) return c.ReturnNull();
    const double variance = sxx / (population ? n : n - 1);
    c.ReturnReal(root ? std::sqrt(variance) : variance);
  }
  const Kind kind_;
  int64_t form_ = 0;
  std::vector<double> values_;
};

class IntervalSum : public Aggregate {
 public:
  explicit IntervalSum(bool average) : average_(average) {}
  void Add(Call& c) override {
    if (c.IsNull(0)) return;
    const auto sum = AddIntervals(sum_, c.Span(0));
    overflow_ = overflow_ || !sum;
    sum_ = sum.value_or(sum_);
    ++count_;
  }
  void Finish(Call& c) override {
    if (count_ == 0) return c.ReturnNull();
    if (overflow_) return c.Error("22008", "interval out of range");
    if (average_) return c.Refused("avg of intervals");
    c.ReturnInterval(sum_);
  }

 private:
  const bool average_;
  Interval sum_;
  int64_t count_ = 0;
  bool overflow_ = false;
};

class StringAgg : public Aggregate {
 public:
  void Add(Call& c) override {
    if (c.IsNull(0)) return;
    if (any_ && !c.IsNull(1)) text_ += c.Text(1);
    text_ += c.Text(0);
    any_ = true;
  }
  void Finish(Call& c) override { any_ ? c.Return(std::string_view(text_)) : c.ReturnNull(); }

 private:
  std::string text_;
  bool any_ = false;
};

std::string ItemOf(const SqlValue& value) {
  switch (value.kind) {
    case SqlValue::Kind::null:
      return "null";
    case SqlValue::Kind::integer:
      return std::to_string(value.integer);
    case SqlValue::Kind::real:
      return ShowDouble(value.real);
    default:
      return JsonQuoted(value.bytes);
  }
}

class ArrayAgg : public Aggregate {
 public:
  void Add(Call& c) override { json_ += StrCat(json_.empty() ? "[" : ",", ItemOf(c.Value(0))); }
  void Finish(Call& c) override {
    json_.empty() ? c.ReturnNull() : c.Return(std::string_view(json_ + "]"));
  }

 private:
  std::string json_;
};

// pg_json_agg(json text, jsonb)
class JsonAgg : public Aggregate {
 public:
  void Add(Call& c) override { items_.emplace_back(c.IsNull(0) ? "null" : c.Text(0)); }
  void Finish(Call& c) override {
    items_.empty() ? c.ReturnNull() : c.Return(std::string_view(JsonbArray(items_)));
  }

 private:
  std::vector<std::string> items_;
};

class JsonObjectAgg : public Aggregate {
 public:
  void Add(Call& c) override {
    null_key_ = null_key_ || c.IsNull(0);
    jsonb_ = c.Int(2) != 0;
    members_.emplace_back(c.Text(0), c.IsNull(1) ? "null" : c.Text(1));
  }
  void Finish(Call& c) override {
    if (members_.empty()) return c.ReturnNull();
    if (null_key_) return c.Error("22023", "field name must not be null");
    if (jsonb_) return c.Return(std::string_view(JsonbObject(std::move(members_))));
    std::string out = "{ ";
    for (const auto& [key, value] : members_)
      out += StrCat(out.size() == 2 ? "" : ", ", JsonQuoted(key), " : ", value);
    c.Return(std::string_view(out + " }"));
  }

 private:
  std::vector<std::pair<std::string, std::string>> members_;
  bool null_key_ = false, jsonb_ = false;
};

// The value of a subquery that may give one row at most.
class Single : public Aggregate {
 public:
  void Add(Call& c) override {
    if (count_++ == 0) value_ = c.Value(0);
  }
  void Finish(Call& c) override {
    if (count_ > 1)
      return c.Error("21000", "more than one row returned by a subquery used as an expression");
    c.Return(value_);
  }

 private:
  SqlValue value_;
  int64_t count_ = 0;
};

// pg_sorted_agg(kind, sort specification, value, separator, keys...)
class SortedAgg : public Aggregate {
 public:
  void Add(Call& c) override {
    if (rows_.empty()) {
      kind_ = c.Text(0);
      spec_ = c.Text(1);
      session_ = &c.session();
    }
    Row row{c.Value(2), c.Value(3), {}};
    if (kind_[0] == 's' && row.value.null()) return;
    for (int i = 4; i < c.count(); ++i) row.keys.push_back(c.Value(i));
    rows_.push_back(std::move(row));
  }
  void Finish(Call& c) override {
    if (rows_.empty()) return c.ReturnNull();
    std::stable_sort(rows_.begin(), rows_.end(),
                     [this](const Row& a, const Row& b) { return Order(a, b) < 0; });
    if (kind_.ends_with('d')) {
      rows_.erase(std::unique(rows_.begin(), rows_.end(),
                              [this](const Row& a, const Row& b) { return Order(a, b) == 0; }),
                  rows_.end());
    }
    std::string out;
    for (size_t i = 0; i < rows_.size(); ++i) {
      const SqlValue& value = rows_[i].value;
      if (kind_[0] == 's') {
        if (i > 0 && !rows_[i].separator.null()) out += rows_[i].separator.bytes;
        out += value.bytes;
      } else if (kind_[0] == 'a') {
        out += StrCat(i == 0 ? "[" : ",", ItemOf(value));
      } else {
        out += StrCat(i == 0 ? "[" : ", ", value.null() ? "null" : value.bytes);
      }
    }
    c.Return(std::string_view(kind_[0] == 's' ? out : out + "]"));
  }

 private:
  struct Row {
    SqlValue value, separator;
    std::vector<SqlValue> keys;
  };
  int Order(const Row& a, const Row& b) const {
    for (size_t i = 0; i < a.keys.size(); ++i) {
      const SqlValue &x = a.keys[i], &y = b.keys[i];
      const bool down = spec_[3 * i] == 'd', nulls_first = spec_[3 * i + 1] == 'f';
      if (x.null() || y.null()) {
        if (x.null() && y.null()) continue;
        return x.null() == nulls_first ? -1 : 1;
      }
      const int order = OrderOf(x, y, spec_[3 * i + 2]);
      if (order != 0) return down ? -order : order;
    }
    return 0;
  }
  int OrderOf(const SqlValue& x, const SqlValue& y, char kind) const {
    if (x.kind == SqlValue::Kind::integer && y.kind == SqlValue::Kind::integer)
      return x.integer < y.integer ? -1 : x.integer > y.integer;
    if (x.kind == SqlValue::Kind::real || y.kind == SqlValue::Kind::real)
      return x.real < y.real ? -1 : x.real > y.real;
    if (kind == 'n') return CompareNumerics(x.bytes, y.bytes);
    if (kind == 'i') return CompareIntervalTexts(x.bytes, y.bytes);
    if (kind == 't') return CompareText(*session_, x.bytes, y.bytes);
    return x.bytes.compare(y.bytes);
  }
  std::string kind_, spec_;
  const FunctionSession* session_ = nullptr;
  std::vector<Row> rows_;
};

using Maker = std::unique_ptr<Aggregate> (*)();
struct Definition {
  const char* name;
  int arguments;
  Maker make;
  bool window;
};
const Definition kAggregates[] = {
    {"pg_sum_num", 1, [] { return std::unique_ptr<Aggregate>(new NumericSum(false)); }, true},
    {"pg_avg_num", 1, [] { return std::unique_ptr<Aggregate>(new NumericSum(true)); }, true},
    {"pg_sum_float", 1,
     [] { return std::unique_ptr<Aggregate>(new FloatSum(FloatSum::Kind::sum)); }, true},
    {"pg_sum_float4", 1,
     [] { return std::unique_ptr<Aggregate>(new FloatSum(FloatSum::Kind::single_sum)); }, true},
    {"pg_avg_float", 1,
     [] { return std::unique_ptr<Aggregate>(new FloatSum(FloatSum::Kind::average)); }, true},
    {"pg_variance", 2,
     [] { return std::unique_ptr<Aggregate>(new FloatSum(FloatSum::Kind::variance)); }, false},
    {"pg_sum_interval", 1, [] { return std::unique_ptr<Aggregate>(new IntervalSum(false)); },
     false},
    {"pg_avg_interval", 1, [] { return std::unique_ptr<Aggregate>(new IntervalSum(true)); }, false},
    {"pg_string_agg", 2, [] { return std::unique_ptr<Aggregate>(new StringAgg); }, false},
    {"pg_array_agg", 1, [] { return std::unique_ptr<Aggregate>(new ArrayAgg); }, false},
    {"pg_json_agg", 2, [] { return std::unique_ptr<Aggregate>(new JsonAgg); }, false},
    {"pg_json_object_agg", 3, [] { return std::unique_ptr<Aggregate>(new JsonObjectAgg); }, false},
    {"pg_single", 1, [] { return std::unique_ptr<Aggregate>(new Single); }, false},
    {"pg_sorted_agg", -1, [] { return std::unique_ptr<Aggregate>(new SortedAgg); }, false},
};

struct Bound {
  FunctionSession* session;
  const Definition* definition;
};

Aggregate* StateOf(sqlite3_context* context, bool create) {
  auto** slot =
      static_cast<Aggregate**>(sqlite3_aggregate_context(context, create ? sizeof(Aggregate*) : 0));
  if (slot == nullptr) return nullptr;
  if (*slot == nullptr && create)
    *slot = static_cast<const Bound*>(sqlite3_user_data(context))->definition->make().release();
  return *slot;
}

Call CallOf(sqlite3_context* context, int count, sqlite3_value** values) {
  return Call(context, count, values,
              static_cast<const Bound*>(sqlite3_user_data(context))->session);
}

void Step(sqlite3_context* context, int count, sqlite3_value** values) {
  Call call = CallOf(context, count, values);
  if (Aggregate* state = StateOf(context, true)) state->Add(call);
}

void Inverse(sqlite3_context* context, int count, sqlite3_value** values) {
  Call call = CallOf(context, count, values);
  if (Aggregate* state = StateOf(context, true)) state->Remove(call);
}

void Value(sqlite3_context* context) {
  Call call = CallOf(context, 0, nullptr);
  Aggregate* state = StateOf(context, true);
  state == nullptr ? call.ReturnNull() : state->Finish(call);
}

void Final(sqlite3_context* context) {
  Value(context);
  auto** slot = static_cast<Aggregate**>(sqlite3_aggregate_context(context, 0));
  if (slot == nullptr) return;
  delete *slot;
  *slot = nullptr;
}

// pg_nextval(key): the sequence's row in the side table is moved by the statement that asks.
void NextValue(sqlite3_context* context, int, sqlite3_value** values) {
  sqlite3* db = sqlite3_context_db_handle(context);
  sqlite3_stmt* statement = nullptr;
  constexpr char kSql[] =
      "UPDATE pgparity_sequences SET value=coalesce(value+increment,start) WHERE name=?1 RETURNING "
      "value";
  if (sqlite3_prepare_v2(db, kSql, -1, &statement, nullptr) != SQLITE_OK)
    return sqlite3_result_error(context, sqlite3_errmsg(db), -1);
  sqlite3_bind_value(statement, 1, values[0]);
  if (sqlite3_step(statement) == SQLITE_ROW) {
    sqlite3_result_int64(context, sqlite3_column_int64(statement, 0));
  } else {
    sqlite3_result_error(context, "PGREFUSED|sequence that the file does not know", -1);
  }
  sqlite3_finalize(statement);
}

}  // namespace

absl::Status RegisterAggregates(sqlite3* db, FunctionSession* session) {
  for (const Definition& definition : kAggregates) {
    const int code = sqlite3_create_window_function(
        db, definition.name, definition.arguments, SQLITE_UTF8, new Bound{session, &definition},
        Step, Final, definition.window ? Value : nullptr, definition.window ? Inverse : nullptr,
        [](void* bound) { delete static_cast<Bound*>(bound); });
    if (code != SQLITE_OK)
      return absl::InternalError(
          StrCat("SQLite: registering ", definition.name, ": ", sqlite3_errmsg(db)));
  }
  if (sqlite3_create_function_v2(db, "pg_nextval", 1, SQLITE_UTF8, nullptr, NextValue, nullptr,
                                 nullptr, nullptr) != SQLITE_OK) {
    return absl::InternalError(StrCat("SQLite: ", sqlite3_errmsg(db)));
  }
  return absl::OkStatus();
}

}  // namespace pgparity::shadow::sqlite
