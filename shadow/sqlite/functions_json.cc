// json and jsonb.
#include <charconv>

#include "shadow/sqlite/function_call.h"
#include "shadow/sqlite/json_text.h"

namespace pgparity::shadow::sqlite {
namespace {

using protocol::StrCat;

// A member by key (text) or position (integer), from the end when negative.
std::optional<std::string_view> Member(std::string_view json, std::string_view key,
                                       std::optional<int64_t> position) {
  const JsonParts parts = PartsOf(json);
  if (parts.kind == '{' && !position) {
    std::optional<std::string_view> found;
    for (const auto& [name, value] : parts.members)
      if (name == key) found = value;
    return found;
  }
  if (parts.kind == '[' && position) {
    const auto size = static_cast<int64_t>(parts.members.size());
    const int64_t at = *position < 0 ? size + *position : *position;
    if (at >= 0 && at < size) return parts.members[static_cast<size_t>(at)].second;
  }
  return std::nullopt;
}

void ReturnMember(Call& c, std::optional<std::string_view> member, bool text) {
  if (!member) return c.ReturnNull();
  if (!text) return c.Return(*member);
  const auto scalar = ScalarText(*member);
  if (!scalar) return c.ReturnNull();
  c.Return(std::string_view(*scalar));
}

std::optional<int64_t> Position(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void Get(Call& c) {
  const bool index = sqlite3_value_type(c.raw(1)) == SQLITE_INTEGER;
  ReturnMember(c,
               Member(c.Text(0), index ? std::string_view() : c.Text(1),
                      index ? std::optional(c.Int(1)) : std::nullopt),
               c.Int(2) != 0);
}

std::optional<std::string_view> Follow(std::string_view json,
                                       const std::vector<std::optional<std::string>>& path) {
  std::optional<std::string_view> at = json;
  for (const auto& step : path) {
    if (!step) return std::nullopt;
    const bool array = PartsOf(*at).kind == '[';
    if (array && !Position(*step)) return std::nullopt;
    at = Member(*at, *step, array ? Position(*step) : std::nullopt);
    if (!at) return std::nullopt;
  }
  return at;
}

void Path(Call& c) { ReturnMember(c, Follow(c.Text(0), ArrayItems(c.Text(1))), c.Int(2) != 0); }

void Concat(Call& c) {
  const JsonParts a = PartsOf(c.Text(0)), b = PartsOf(c.Text(1));
  if (a.kind == '{' && b.kind == '{') {
    std::vector<std::pair<std::string, std::string>> members;
    for (const JsonParts* side : {&a, &b})
      for (const auto& [key, value] : side->members) members.emplace_back(key, value);
    return c.Return(std::string_view(JsonbObject(std::move(members))));
  }
  std::vector<std::string> items;
  int side = 0;
  for (const JsonParts* parts : {&a, &b}) {
    if (parts->kind == '[') {
      for (const auto& [key, value] : parts->members) items.emplace_back(value);
    } else {
      items.emplace_back(c.Text(side));
    }
    ++side;
  }
  if (a.kind == '{' || b.kind == '{') {
    if (a.kind != '[' && b.kind != '[')
      return c.Error("22023", "invalid concatenation of jsonb objects");
  }
  c.Return(std::string_view(JsonbArray(items)));
}

void Delete(Call& c) {
  const JsonParts parts = PartsOf(c.Text(0));
  const bool index = sqlite3_value_type(c.raw(1)) == SQLITE_INTEGER;
  if (parts.kind == 'v') return c.Error("22023", "cannot delete from scalar");
  if (parts.kind == '{') {
    if (index) return c.Error("22023", "cannot delete from object using integer index");
    std::vector<std::pair<std::string, std::string>> members;
    for (const auto& [key, value] : parts.members)
      if (key != c.Text(1)) members.emplace_back(key, value);
    return c.Return(std::string_view(JsonbObject(std::move(members))));
  }
  std::vector<std::string> items;
  int64_t at = index ? c.Int(1) : -1;
  if (index && at < 0) at += static_cast<int64_t>(parts.members.size());
  for (size_t i = 0; i < parts.members.size(); ++i) {
    const std::string_view value = parts.members[i].second;
    const bool gone = index ? static_cast<int64_t>(i) == at
                            : value.starts_with('"') && ScalarText(value) == c.Text(1);
    if (!gone) items.emplace_back(value);
  }
  c.Return(std::string_view(JsonbArray(items)));
}

bool Exists(std::string_view json, std::string_view key) {
  const JsonParts parts = PartsOf(json);
  if (parts.kind == 'v') return json.starts_with('"') && ScalarText(json) == key;
  for (const auto& [name, value] : parts.members) {
    if (parts.kind == '{' ? name == key : value.starts_with('"') && ScalarText(value) == key)
      return true;
  }
  return false;
}

// jsonb_set() along a path of keys; nullopt: as it was.
std::optional<std::string> Set(std::string_view json,
                               const std::vector<std::optional<std::string>>& path, size_t at,
                               std::string_view value, bool create) {
  const JsonParts parts = PartsOf(json);
  const bool last = at + 1 == path.size();
  const std::string& step = *path[at];
  if (parts.kind == '{') {
    std::vector<std::pair<std::string, std::string>> members;
    bool found = false;
    for (const auto& [key, old] : parts.members) {
      if (key != step) {
        members.emplace_back(key, old);
        continue;
      }
      found = true;
      auto inner = last ? std::string(value) : Set(old, path, at + 1, value, create);
      members.emplace_back(key, inner ? *inner : std::string(old));
    }
    if (!found && last && create) members.emplace_back(step, value);
    return JsonbObject(std::move(members));
  }
  if (parts.kind != '[') return std::nullopt;
  const auto position = Position(step);
  if (!position) return std::nullopt;
  const auto size = static_cast<int64_t>(parts.members.size());
  const int64_t index = *position < 0 ? size + *position : *position;
  std::vector<std::string> items;
  if (index < 0 && last && create) items.emplace_back(value);
  for (int64_t i = 0; i < size; ++i) {
    const std::string_view old = parts.members[static_cast<size_t>(i)].second;
    std::optional<std::string> inner;
    if (i == index) inner = last ? std::string(value) : Set(old, path, at + 1, value, create);
    items.push_back(inner ? *inner : std::string(old));
  }
  if (index >= size && last && create) items.emplace_back(value);
  return JsonbArray(items);
}

void DoSet(Call& c) {
  const auto path = ArrayItems(c.Text(1));
  if (path.empty()) return c.Return(c.Text(0));
  for (const auto& step : path)
    if (!step) return c.Error("22004", "path element is null");
  if (PartsOf(c.Text(0)).kind == 'v') return c.Error("22023", "cannot set path in scalar");
  // A path through an array by something that is no number is an error there.
  const auto result = Set(c.Text(0), path, 0, c.Text(2), c.Int(3) != 0);
  if (!result) return c.Refused("jsonb_set along this path");
  c.Return(std::string_view(*result));
}

std::string StripNulls(std::string_view json) {
  const JsonParts parts = PartsOf(json);
  if (parts.kind == 'v') return std::string(json);
  if (parts.kind == '[') {
    std::vector<std::string> items;
    for (const auto& [key, value] : parts.members) items.push_back(StripNulls(value));
    return JsonbArray(items);
  }
  std::vector<std::pair<std::string, std::string>> members;
  for (const auto& [key, value] : parts.members)
    if (value != "null") members.emplace_back(key, StripNulls(value));
  return JsonbObject(std::move(members));
}

// pg_json_object(jsonb, key, value, ...): values are JSON texts, NULL for null.
void BuildObject(Call& c) {
  std::vector<std::pair<std::string, std::string>> members;
  std::string plain;
  for (int i = 1; i + 1 < c.count(); i += 2) {
    if (c.IsNull(i)) return c.Error("22023", "argument must not be null");
    const std::string value(c.IsNull(i + 1) ? "null" : c.Text(i + 1));
    plain += StrCat(plain.empty() ? "" : ", ", JsonQuoted(c.Text(i)), " : ", value);
    members.emplace_back(c.Text(i), value);
  }
  c.Return(
      std::string_view(c.Int(0) != 0 ? JsonbObject(std::move(members)) : StrCat("{", plain, "}")));
}

void BuildArray(Call& c) {
  std::vector<std::string> items;
  for (int i = 1; i < c.count(); ++i) items.emplace_back(c.IsNull(i) ? "null" : c.Text(i));
  c.Return(std::string_view(JsonbArray(items)));
}

// The items of an array as JSON strings, for json_each().
void Elements(Call& c) {
  const JsonParts parts = PartsOf(c.Text(0));
  if (parts.kind != '[') return c.Error("22023", "cannot extract elements from a non-array");
  std::string out = "[";
  for (const auto& [key, value] : parts.members) {
    const auto text = c.Int(1) != 0 ? ScalarText(value) : std::optional(std::string(value));
    out += StrCat(out.size() == 1 ? "" : ",", text ? JsonQuoted(*text) : "null");
  }
  c.Return(std::string_view(out + "]"));
}

}  // namespace

const std::vector<FunctionDefinition> kJsonFunctions = {
    {"pg_json_get", 3, Get},
    {"pg_json_path", 3, Path},
    {"pg_json_typeof", 1, [](Call& c) { c.Return(JsonTypeOf(c.Text(0))); }},
    {"pg_json_array_length", 1,
     [](Call& c) {
       const JsonParts parts = PartsOf(c.Text(0));
       if (parts.kind != '[') return c.Error("22023", "cannot get array length of a non-array");
       c.Return(static_cast<int64_t>(parts.members.size()));
     }},
    {"pg_json_number", 1,
     [](Call& c) {
       const std::string_view text = c.Text(0);
       const bool plain = text.find_first_of("Nn") == std::string_view::npos;
       c.Return(std::string_view(plain ? std::string(text) : JsonQuoted(text)));
     }},
    {"pg_float8_num_text", 2,
     [](Call& c) {
       const auto number =
           Decimal::Parse(c.Int(1) == oid::kFloat4 ? ShowFloat(c.Real(0)) : ShowDouble(c.Real(0)));
       c.Return(*number);
     }},
    {"pg_json_string", 1, [](Call& c) { c.Return(std::string_view(JsonQuoted(c.Text(0)))); }},
    {"pg_json_object", -1, BuildObject, true},
    {"pg_json_array", -1, BuildArray, true},
    {"pg_json_elements", 2, Elements},
    {"pg_jsonb_concat", 2, Concat},
    {"pg_jsonb_delete", 2, Delete},
    {"pg_jsonb_contains", 2, [](Call& c) { c.Return(JsonbContains(c.Text(0), c.Text(1))); }},
    {"pg_jsonb_exists", 2, [](Call& c) { c.Return(Exists(c.Text(0), c.Text(1))); }},
    {"pg_jsonb_exists_any", 3,
     [](Call& c) {
       const bool all = c.Int(2) != 0;
       bool result = all;
       for (const auto& key : ArrayItems(c.Text(1))) {
         if (!key) continue;
         const bool there = Exists(c.Text(0), *key);
         result = all ? result && there : result || there;
       }
       c.Return(result);
     }},
    {"pg_jsonb_set", 4, DoSet},
    {"pg_jsonb_strip_nulls", 1, [](Call& c) { c.Return(std::string_view(StripNulls(c.Text(0)))); }},
    {"pg_jsonb_num", 1,
     [](Call& c) {
       if (JsonTypeOf(c.Text(0)) != "number")
         return c.Error("22023", "cannot cast jsonb to a number");
       c.Return(c.Text(0));
     }},
    {"pg_jsonb_bool", 1,
     [](Call& c) {
       if (JsonTypeOf(c.Text(0)) != "boolean")
         return c.Error("22023", "cannot cast jsonb to type boolean");
       c.Return(c.Text(0) == "true");
     }},
};

}  // namespace pgparity::shadow::sqlite
