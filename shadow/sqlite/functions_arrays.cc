// Arrays, which lie in the file as JSON.
#include <cstdlib>

#include "shadow/sqlite/function_call.h"
#include "shadow/sqlite/json_text.h"

namespace pgparity::shadow::sqlite {
namespace {

using protocol::StrCat;

std::string ItemOf(const Call& c, int i) {
  const SqlValue value = c.Value(i);
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

std::string Joined(const std::vector<std::string_view>& items) {
  std::string out = "[";
  for (const std::string_view item : items) out += StrCat(out.size() == 1 ? "" : ",", item);
  return out + "]";
}

void Make(Call& c) {
  std::string out = "[";
  for (int i = 0; i < c.count(); ++i) out += StrCat(i == 0 ? "" : ",", ItemOf(c, i));
  c.Return(std::string_view(out + "]"));
}

void Get(Call& c) {
  const JsonParts parts = PartsOf(c.Text(0));
  const int64_t at = c.Int(1);
  if (at < 1 || at > static_cast<int64_t>(parts.members.size())) return c.ReturnNull();
  const std::string_view item = parts.members[static_cast<size_t>(at - 1)].second;
  const auto text = ScalarText(item);
  if (!text || item.starts_with('[')) return c.ReturnNull();
  const Oid element = static_cast<Oid>(c.Int(2));
  if (IsFloat(element)) return c.ReturnReal(std::strtod(text->c_str(), nullptr), true);
  if (StorageOf(element) == Storage::integer)
    return c.Return(int64_t{std::strtoll(text->c_str(), nullptr, 10)});
  c.Return(std::string_view(*text));
}

void Concat(Call& c) {
  // NULL is as no elements; of two it stays.
  if (c.IsNull(0) && c.IsNull(1)) return c.ReturnNull();
  std::vector<std::string_view> items;
  std::vector<JsonParts> sides;
  for (int i = 0; i < 2; ++i)
    if (!c.IsNull(i)) sides.push_back(PartsOf(c.Text(i)));
  for (const JsonParts& side : sides) {
    for (const auto& [key, value] : side.members) {
      if (value.starts_with('[')) return c.Refused("|| of arrays of arrays");
      items.push_back(value);
    }
  }
  c.Return(std::string_view(Joined(items)));
}

void ToString(Call& c) {
  if (c.IsNull(0) || c.IsNull(2)) return c.ReturnNull();
  const Oid element = static_cast<Oid>(c.Int(1));
  std::string out;
  bool first = true;
  for (const auto& item : ArrayItems(c.Text(0))) {
    std::string text;
    if (!item) {
      if (c.IsNull(3)) continue;
      text = c.Text(3);
    } else {
      SqlValue value = SqlValue::Text(*item);
      if (StorageOf(element) == Storage::integer)
        value = SqlValue::Integer(std::strtoll(item->c_str(), nullptr, 10));
      if (IsFloat(element)) value = SqlValue::Real(std::strtod(item->c_str(), nullptr));
      const Result<std::string> shown = ShowValue(value, element, c.session().zone);
      if (const auto* problem = std::get_if<Problem>(&shown)) return c.Stop(*problem);
      text = std::get<std::string>(shown);
    }
    if (!first) out += c.Text(2);
    out += text;
    first = false;
  }
  c.Return(std::string_view(out));
}

void FromString(Call& c) {
  if (c.IsNull(0)) return c.ReturnNull();
  if (c.IsNull(1)) return c.Refused("string_to_array with a separator that is NULL");
  std::string_view text = c.Text(0);
  const std::string_view separator = c.Text(1);
  if (text.empty()) return c.Return(std::string_view("[]"));
  std::string out = "[";
  while (!separator.empty()) {
    const size_t at = text.find(separator);
    if (at == std::string_view::npos) break;
    out += JsonQuoted(text.substr(0, at)) + ",";
    text.remove_prefix(at + separator.size());
  }
  c.Return(std::string_view(out + JsonQuoted(text) + "]"));
}

bool Has(const JsonParts& array, std::string_view item) {
  if (item == "null") return false;
  for (const auto& [key, value] : array.members)
    if (value == item) return true;
  return false;
}

}  // namespace

const std::vector<FunctionDefinition> kArrayFunctions = {
    {"pg_array", -1, Make, true},
    {"pg_array_get", 3, Get},
    {"pg_array_cat", 2, Concat, true},
    {"pg_array_length", 2,
     [](Call& c) {
       const JsonParts parts = PartsOf(c.Text(0));
       if (parts.members.empty()) return c.ReturnNull();
       if (c.Int(1) != 1) return c.Refused("array_length of a dimension other than 1");
       c.Return(static_cast<int64_t>(parts.members.size()));
     }},
    {"pg_array_cardinality", 1,
     [](Call& c) {
       const JsonParts parts = PartsOf(c.Text(0));
       if (!parts.members.empty() && parts.members[0].second.starts_with('['))
         return c.Refused("cardinality of an array of arrays");
       c.Return(static_cast<int64_t>(parts.members.size()));
     }},
    {"pg_array_to_string", 4, ToString, true},
    {"pg_string_to_array", 2, FromString, true},
    {"pg_array_position", 2,
     [](Call& c) {
       const JsonParts array = PartsOf(c.Text(0));
       const std::string_view item = PartsOf(c.Text(1)).members.at(0).second;
       for (size_t i = 0; i < array.members.size(); ++i)
         if (array.members[i].second == item) return c.Return(static_cast<int64_t>(i + 1));
       c.ReturnNull();
     }},
    {"pg_array_remove", 2,
     [](Call& c) {
       const std::string_view item = PartsOf(c.Text(1)).members.at(0).second;
       std::vector<std::string_view> items;
       const JsonParts array = PartsOf(c.Text(0));
       for (const auto& [key, value] : array.members)
         if (value != item) items.push_back(value);
       c.Return(std::string_view(Joined(items)));
     }},
    {"pg_array_contains", 2,
     [](Call& c) {
       const JsonParts array = PartsOf(c.Text(0)), wanted = PartsOf(c.Text(1));
       bool all = true;
       for (const auto& [key, value] : wanted.members) all = all && Has(array, value);
       c.Return(all);
     }},
    {"pg_array_overlap", 2,
     [](Call& c) {
       const JsonParts a = PartsOf(c.Text(0)), b = PartsOf(c.Text(1));
       bool any = false;
       for (const auto& [key, value] : b.members) any = any || Has(a, value);
       c.Return(any);
     }},
};

}  // namespace pgparity::shadow::sqlite
