#include "shadow/sqlite/functions.h"

#include <locale.h>
#include <sqlite3.h>

#include <cstring>
#include <map>
#include <mutex>

#include "protocol/text.h"
#include "shadow/sqlite/function_call.h"

namespace pgparity::shadow::sqlite {
namespace {

// SQLite hands the session over with each call; which function it is comes with it.
struct Bound {
  FunctionSession* session;
  const FunctionDefinition* definition;
};

int Sign(int order) { return order < 0 ? -1 : order > 0 ? 1 : 0; }

locale_t LocaleOf(const std::string& name) {
  static std::mutex mutex;
  static auto* const locales = new std::map<std::string, locale_t>;
  const std::lock_guard lock(mutex);
  auto [at, added] = locales->try_emplace(name, nullptr);
  if (added) at->second = newlocale(LC_COLLATE_MASK, name.c_str(), nullptr);
  return at->second;
}

using Order = int (*)(const FunctionSession&, std::string_view, std::string_view);

struct Collation {
  const char* name;
  Order order;
};
const Collation kCollations[] = {
    {"pg_numeric", [](const FunctionSession&, std::string_view a,
                      std::string_view b) { return CompareNumerics(a, b); }},
    {"pg_interval", [](const FunctionSession&, std::string_view a,
                       std::string_view b) { return CompareIntervalTexts(a, b); }},
    {"pg_text", [](const FunctionSession& s, std::string_view a,
                   std::string_view b) { return CompareText(s, a, b); }},
    {"pg_jsonb", [](const FunctionSession&, std::string_view a,
                    std::string_view b) { return CompareJsonb(a, b); }},
};

template <size_t kIndex>
int Collate(void* session, int a_size, const void* a, int b_size, const void* b) {
  return kCollations[kIndex].order(*static_cast<FunctionSession*>(session),
                                   {static_cast<const char*>(a), static_cast<size_t>(a_size)},
                                   {static_cast<const char*>(b), static_cast<size_t>(b_size)});
}

}  // namespace

int CompareNumerics(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  return Decimal::Parse(a).value_or(Decimal()).Compare(Decimal::Parse(b).value_or(Decimal()));
}

int CompareIntervalTexts(std::string_view a, std::string_view b) {
  return CompareIntervals(ReadInterval(a).value, ReadInterval(b).value);
}

int CompareText(const FunctionSession& session, std::string_view a, std::string_view b) {
  const locale_t locale = LocaleOf(session.collation);
  if (locale != nullptr) {
    const int order = strcoll_l(std::string(a).c_str(), std::string(b).c_str(), locale);
    if (order != 0) return Sign(order);
  }
  return Sign(a.compare(b));
}

bool CollationIsKnown(const std::string& name) { return LocaleOf(name) != nullptr; }

namespace {

// A definition and the session, as SQLite's user data; freed with the connection.
void RunFunction(sqlite3_context* context, int count, sqlite3_value** values) {
  const auto* bound = static_cast<const Bound*>(sqlite3_user_data(context));
  Call call(context, count, values, bound->session);
  if (!bound->definition->takes_null && call.AnyNull()) return call.ReturnNull();
  bound->definition->run(call);
}

absl::Status Failure(sqlite3* db, std::string_view what) {
  return absl::InternalError(
      protocol::StrCat("SQLite: registering ", what, ": ", sqlite3_errmsg(db)));
}

}  // namespace

absl::Status RegisterFunctions(sqlite3* db, FunctionSession* session) {
  for (const auto* list :
       {&kNumberFunctions, &kTextFunctions, &kTimeFunctions, &kJsonFunctions, &kArrayFunctions}) {
    for (const FunctionDefinition& definition : *list) {
      const int flags = SQLITE_UTF8 | (definition.deterministic ? SQLITE_DETERMINISTIC : 0);
      const int code = sqlite3_create_function_v2(
          db, definition.name, definition.arguments, flags, new Bound{session, &definition},
          RunFunction, nullptr, nullptr, [](void* bound) { delete static_cast<Bound*>(bound); });
      if (code != SQLITE_OK) return Failure(db, definition.name);
    }
  }
  int (*const collate[])(void*, int, const void*, int, const void*) = {Collate<0>, Collate<1>,
                                                                       Collate<2>, Collate<3>};
  for (size_t i = 0; i < std::size(collate); ++i) {
    if (sqlite3_create_collation_v2(db, kCollations[i].name, SQLITE_UTF8, session, collate[i],
                                    nullptr) != SQLITE_OK)
      return Failure(db, kCollations[i].name);
  }
  // Arrays of what the file holds as numbers and plain texts: JSON is compared element by element.
  if (sqlite3_create_collation_v2(
          db, "pg_array", SQLITE_UTF8, session,
          [](void*, int a_size, const void* a, int b_size, const void* b) {
            return CompareArrays({static_cast<const char*>(a), static_cast<size_t>(a_size)},
                                 {static_cast<const char*>(b), static_cast<size_t>(b_size)});
          },
          nullptr) != SQLITE_OK) {
    return Failure(db, "pg_array");
  }
  return RegisterAggregates(db, session);
}

Problem ProblemOf(sqlite3* db) {
  const std::string message = sqlite3_errmsg(db);
  if (message.starts_with("PG") && message.find('|') != std::string::npos) {
    const std::string state = message.substr(2, message.find('|') - 2);
    const std::string text = message.substr(message.find('|') + 1);
    return state == "REFUSED" ? Refuse(text) : Problem{state, text};
  }
  const int code = sqlite3_extended_errcode(db);
  switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return {"23505", message};
    case SQLITE_CONSTRAINT_NOTNULL:
      return {"23502", message};
    case SQLITE_CONSTRAINT_CHECK:
      return {"23514", message};
    case SQLITE_CONSTRAINT_FOREIGNKEY:
    case SQLITE_CONSTRAINT_TRIGGER:
      return {"23503", message};
    default:
      break;
  }
  if (message == "integer overflow") return {"22003", message};
  return {"XX000", protocol::StrCat("SQLite: ", message, " (code ", code, ")")};
}

}  // namespace pgparity::shadow::sqlite
