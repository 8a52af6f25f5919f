// Arrays: PostgreSQL's text form and JSON. Integers, booleans (as 1 and 0) and floats are JSON
// numbers; everything else is a string in the form that a column of the element's type holds.
#include <cmath>

#include "protocol/text.h"
#include "shadow/sqlite/sql_value.h"
#include "shadow/words.h"

namespace pgparity::shadow::sqlite {
namespace {

constexpr int kMaxDimensions = 6;

bool IsRaw(Oid element) { return IsInteger(element) || IsFloat(element) || element == oid::kBool; }

std::string ElementToJson(const SqlValue& value, Oid element) {
  if (IsFloat(element)) return ShowDouble(value.real);
  if (value.kind == SqlValue::Kind::integer) return std::to_string(value.integer);
  return JsonQuoted(value.bytes);
}

// Reads an array literal from its front and writes JSON.
class LiteralReader {
 public:
  LiteralReader(std::string_view text, Oid element, const absl::TimeZone& zone)
      : rest_(text), element_(element), zone_(zone) {}

  std::optional<Problem> Read(std::string* json) {
    Space();
    if (rest_.starts_with('[')) return Refuse("array with bounds of its own");
    if (auto problem = Array(1, json)) return problem;
    Space();
    if (!rest_.empty()) return Malformed();
    return std::nullopt;
  }

 private:
  static Problem Malformed() { return {"22P02", "malformed array literal"}; }
  void Space() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t'))
      rest_.remove_prefix(1);
  }
  bool Take(char c) {
    Space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::optional<Problem> Array(int depth, std::string* json) {
    if (!Take('{') || depth > kMaxDimensions) return Malformed();
    json->push_back('[');
    if (Take('}')) {
      if (depth > 1) return Malformed();
      json->push_back(']');
      return std::nullopt;
    }
    size_t count = 0;
    for (bool more = true; more; more = Take(',')) {
      if (count++ > 0) json->push_back(',');
      Space();
      auto problem = rest_.starts_with('{') ? Array(depth + 1, json) : Element(depth, json);
      if (problem) return problem;
    }
    if (!Take('}')) return Malformed();
    // Every part of a dimension is as long as its first.
    if (static_cast<size_t>(depth) > lengths_.size())
      lengths_.resize(static_cast<size_t>(depth), 0);
    size_t& length = lengths_[static_cast<size_t>(depth - 1)];
    if (length != 0 && length != count) return Malformed();
    length = count;
    json->push_back(']');
    return std::nullopt;
  }

  std::optional<Problem> Element(int depth, std::string* json) {
    if (leaf_depth_ != 0 && leaf_depth_ != depth) return Malformed();
    leaf_depth_ = depth;
    std::string text;
    bool quoted = false;
    if (Take('"')) {
      quoted = true;
      while (!rest_.empty() && rest_[0] != '"') {
        if (rest_[0] == '\\') rest_.remove_prefix(1);
        if (rest_.empty()) return Malformed();
        text.push_back(rest_[0]);
        rest_.remove_prefix(1);
      }
      if (!Take('"')) return Malformed();
    } else {
      while (!rest_.empty() && rest_[0] != ',' && rest_[0] != '}' && rest_[0] != '{' &&
             rest_[0] != '"') {
        if (rest_[0] == '\\') return Refuse("backslash in an array literal");
        text.push_back(rest_[0]);
        rest_.remove_prefix(1);
      }
      while (!text.empty() && text.back() == ' ') text.pop_back();
      if (text.empty()) return Malformed();
    }
    if (!quoted && SameWord(text, "null")) {
      *json += "null";
      return std::nullopt;
    }
    Result<SqlValue> value = ReadValue(text, {element_}, zone_, false);
    if (auto* problem = std::get_if<Problem>(&value)) return std::move(*problem);
    *json += ElementToJson(std::get<SqlValue>(value), element_);
    return std::nullopt;
  }

  std::string_view rest_;
  const Oid element_;
  const absl::TimeZone& zone_;
  std::vector<size_t> lengths_;
  int leaf_depth_ = 0;
};

// Reads JSON of our own making.
class JsonReader {
 public:
  JsonReader(std::string_view json, Oid element, const absl::TimeZone& zone)
      : rest_(json), element_(element), zone_(zone) {}

  std::optional<Problem> Read(std::string* out) {
    if (!Take('[')) return Refuse("an array's text in the file");
    out->push_back('{');
    for (bool first = true; !Take(']'); first = false) {
      if (!first && !Take(',')) return Refuse("an array's text in the file");
      if (!first) out->push_back(',');
      auto problem = rest_.starts_with('[') ? Read(out) : Element(out);
      if (problem) return problem;
    }
    out->push_back('}');
    return std::nullopt;
  }

 private:
  bool Take(char c) {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    return true;
  }

  std::optional<std::string> String() {
    std::string text;
    rest_.remove_prefix(1);
    while (!rest_.empty() && rest_[0] != '"') {
      char c = rest_[0];
      if (c == '\\' && rest_.size() > 1) {
        c = rest_[1];
        rest_.remove_prefix(1);
        constexpr std::string_view kFrom = "bfnrt", kTo = "\b\f\n\r\t";
        if (const size_t at = kFrom.find(c); at != std::string_view::npos) {
          c = kTo[at];
        } else if (c == 'u' && rest_.size() > 4) {
          c = static_cast<char>(std::stoi(std::string(rest_.substr(1, 4)), nullptr, 16));
          rest_.remove_prefix(4);
        }
      }
      text.push_back(c);
      rest_.remove_prefix(1);
    }
    if (rest_.empty()) return std::nullopt;
    rest_.remove_prefix(1);
    return text;
  }

  std::optional<Problem> Element(std::string* out) {
    std::string text;
    SqlValue value;
    if (rest_.starts_with('"')) {
      auto string = String();
      if (!string) return Refuse("an array's text in the file");
      value = SqlValue::Text(*std::move(string));
    } else {
      const size_t end = std::min(rest_.find_first_of(",]"), rest_.size());
      text = rest_.substr(0, end);
      rest_.remove_prefix(end);
      if (text == "null") {
        *out += "NULL";
        return std::nullopt;
      }
      if (IsFloat(element_)) {
        value = SqlValue::Real(std::strtod(text.c_str(), nullptr));
      } else {
        value = SqlValue::Integer(std::strtoll(text.c_str(), nullptr, 10));
      }
    }
    Result<std::string> shown = ShowValue(value, element_, zone_);
    if (auto* problem = std::get_if<Problem>(&shown)) return std::move(*problem);
    AppendElement(std::get<std::string>(shown), out);
    return std::nullopt;
  }

  static void AppendElement(std::string_view text, std::string* out) {
    const bool quote = text.empty() || SameWord(text, "null") ||
                       text.find_first_of("{}\",\\ \t\n\r\v\f") != std::string_view::npos;
    if (!quote) {
      out->append(text);
      return;
    }
    out->push_back('"');
    for (const char c : text) {
      if (c == '"' || c == '\\') out->push_back('\\');
      out->push_back(c);
    }
    out->push_back('"');
  }

  std::string_view rest_;
  const Oid element_;
  const absl::TimeZone& zone_;
};

}  // namespace

Result<std::string> ArrayToJson(std::string_view text, Oid element, const absl::TimeZone& zone) {
  static_cast<void>(IsRaw);
  std::string json;
  if (auto problem = LiteralReader(text, element, zone).Read(&json)) return *std::move(problem);
  return json;
}

Result<std::string> JsonToArray(std::string_view json, Oid element, const absl::TimeZone& zone) {
  std::string text;
  if (auto problem = JsonReader(json, element, zone).Read(&text)) return *std::move(problem);
  return text;
}

}  // namespace pgparity::shadow::sqlite
