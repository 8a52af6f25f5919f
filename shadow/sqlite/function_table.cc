#include "shadow/sqlite/function_table.h"

#include "absl/container/flat_hash_map.h"

namespace pgparity::shadow::sqlite {
namespace {

constexpr FunctionEntry kFunctions[] = {
    // strings
    {"upper", "t", 't', "pg_upper($1)"},
    {"lower", "t", 't', "pg_lower($1)"},
    {"initcap", "t", 't', "pg_initcap($1)"},
    {"length", "t", 'i', "pg_length($1)"},
    {"length", "B", 'i', "length($1)"},
    {"char_length", "t", 'i', "pg_length($1)"},
    {"character_length", "t", 'i', "pg_length($1)"},
    {"octet_length", "t", 'i', "pg_octet_length($1)"},
    {"octet_length", "B", 'i', "length($1)"},
    {"bit_length", "t", 'i', "(8*pg_octet_length($1))"},
    {"substr", "ti", 't', "pg_substr($1,$2)"},
    {"substr", "tii", 't', "pg_substr($1,$2,$3)"},
    {"substring", "ti", 't', "pg_substr($1,$2)"},
    {"substring", "tii", 't', "pg_substr($1,$2,$3)"},
    {"btrim", "t", 't', "trim($1,' ')"},
    {"btrim", "tt", 't', "pg_trim($1,$2,3)"},
    {"ltrim", "t", 't', "ltrim($1,' ')"},
    {"ltrim", "tt", 't', "pg_trim($1,$2,1)"},
    {"rtrim", "t", 't', "rtrim($1,' ')"},
    {"rtrim", "tt", 't', "pg_trim($1,$2,2)"},
    {"replace", "ttt", 't', "pg_replace($1,$2,$3)"},
    {"position", "tt", 'i', "pg_strpos($1,$2)"},
    {"strpos", "tt", 'i', "pg_strpos($1,$2)"},
    {"left", "ti", 't', "pg_left($1,$2)"},
    {"right", "ti", 't', "pg_right($1,$2)"},
    {"lpad", "ti", 't', "pg_lpad($1,$2,' ')"},
    {"lpad", "tit", 't', "pg_lpad($1,$2,$3)"},
    {"rpad", "ti", 't', "pg_rpad($1,$2,' ')"},
    {"rpad", "tit", 't', "pg_rpad($1,$2,$3)"},
    {"repeat", "ti", 't', "pg_repeat($1,$2)"},
    {"reverse", "t", 't', "pg_reverse($1)"},
    {"split_part", "tti", 't', "pg_split_part($1,$2,$3)"},
    {"translate", "ttt", 't', "pg_translate($1,$2,$3)"},
    {"ascii", "t", 'i', "pg_ascii($1)"},
    {"chr", "i", 't', "pg_chr($1)"},
    {"md5", "t", 't', "pg_md5($1)"},
    {"md5", "B", 't', "pg_md5($1)"},
    {"starts_with", "tt", 'b', "pg_starts_with($1,$2)"},
    {"to_hex", "i", 't', "pg_to_hex($1,4)"},
    {"to_hex", "I", 't', "pg_to_hex($1,8)"},
    {"quote_ident", "t", 't', "pg_quote_ident($1)"},
    {"quote_literal", "t", 't', "pg_quote_literal($1)"},
    {"overlay", "tti", 't', "pg_overlay($1,$2,$3,pg_length($2))"},
    {"overlay", "ttii", 't', "pg_overlay($1,$2,$3,$4)"},
    {"encode", "Bt", 't', "pg_encode($1,$2)"},
    {"decode", "tt", 'B', "pg_decode($1,$2)"},
    {"regexp_replace", "ttt", 't', "pg_regexp_replace($1,$2,$3,'')"},
    {"regexp_replace", "tttt", 't', "pg_regexp_replace($1,$2,$3,$4)"},
    {"string_to_array", "tt", 'X', "pg_string_to_array($1,$2)"},
    // numbers
    {"abs", "s", 's', "pg_abs($1,2)"},
    {"abs", "i", 'i', "pg_abs($1,4)"},
    {"abs", "I", 'I', "pg_abs($1,8)"},
    {"abs", "f", 'f', "abs($1)"},
    {"abs", "F", 'F', "abs($1)"},
    {"abs", "n", 'n', "pg_num_abs($1)"},
    {"mod", "ss", 's', "pg_mod2($1,$2)"},
    {"mod", "ii", 'i', "pg_mod4($1,$2)"},
    {"mod", "II", 'I', "pg_mod8($1,$2)"},
    {"mod", "nn", 'n', "pg_num_mod($1,$2)"},
    {"div", "nn", 'n', "pg_num_idiv($1,$2)"},
    {"round", "f", 'f', "pg_fround($1)"},
    {"round", "n", 'n', "pg_num_round($1,0)"},
    {"round", "ni", 'n', "pg_num_round($1,$2)"},
    {"trunc", "f", 'f', "pg_ftrunc($1)"},
    {"trunc", "n", 'n', "pg_num_trunc($1,0)"},
    {"trunc", "ni", 'n', "pg_num_trunc($1,$2)"},
    {"floor", "f", 'f', "pg_ffloor($1)"},
    {"floor", "n", 'n', "pg_num_floor($1)"},
    {"ceil", "f", 'f', "pg_fceil($1)"},
    {"ceil", "n", 'n', "pg_num_ceil($1)"},
    {"ceiling", "f", 'f', "pg_fceil($1)"},
    {"ceiling", "n", 'n', "pg_num_ceil($1)"},
    {"sign", "f", 'f', "pg_fsign($1)"},
    {"sign", "n", 'n', "pg_num_sign($1)"},
    {"sqrt", "f", 'f', "pg_sqrt($1)"},
    {"sqrt", "n", 'n', "pg_num_sqrt($1)"},
    {"power", "ff", 'f', "pg_power($1,$2)"},
    {"pow", "ff", 'f', "pg_power($1,$2)"},
    {"scale", "n", 'i', "pg_num_scale($1)"},
    {"trim_scale", "n", 'n', "pg_num_trim($1)"},
    {"exp", "f", 'f', "pg_fmath('exp',$1)"},
    {"ln", "f", 'f', "pg_fmath('ln',$1)"},
    {"degrees", "f", 'f', "pg_fmath('degrees',$1)"},
    {"radians", "f", 'f', "pg_fmath('radians',$1)"},
    // dates and times
    {"date_trunc", "tT", 'T', "pg_ts_trunc($1,$2)"},
    {"date_trunc", "tZ", 'Z', "pg_tstz_trunc($1,$2)"},
    {"date_trunc", "tV", 'V', "pg_interval_trunc($1,$2)"},
    {"extract", "tD", 'n', "pg_extract($1,$2,'d')"},
    {"extract", "tC", 'n', "pg_extract($1,$2,'c')"},
    {"extract", "tT", 'n', "pg_extract($1,$2,'t')"},
    {"extract", "tZ", 'n', "pg_extract($1,$2,'z')"},
    {"extract", "tV", 'n', "pg_extract($1,$2,'i')"},
    {"date_part", "tT", 'f', "pg_num_float8(pg_extract($1,$2,'t'))"},
    {"date_part", "tZ", 'f', "pg_num_float8(pg_extract($1,$2,'z'))"},
    {"date_part", "tD", 'f', "pg_num_float8(pg_extract($1,pg_date_ts($2),'t'))"},
    {"date_part", "tC", 'f', "pg_num_float8(pg_extract($1,$2,'c'))"},
    {"date_part", "tV", 'f', "pg_num_float8(pg_extract($1,$2,'i'))"},
    {"timezone", "tT", 'Z', "pg_at_zone_ts($1,$2)"},
    {"timezone", "tZ", 'T', "pg_at_zone_tstz($1,$2)"},
    {"to_char", "Tt", 't', "pg_to_char($1,$2)"},
    {"to_char", "Zt", 't', "pg_to_char(pg_tstz_ts($1),$2)"},
    {"age", "TT", 'V', "pg_age($1,$2)"},
    {"age", "ZZ", 'V', "pg_age(pg_tstz_ts($1),pg_tstz_ts($2))"},
    {"make_date", "iii", 'D', "pg_make_date($1,$2,$3)"},
    {"to_timestamp", "f", 'Z', "pg_to_timestamp($1)"},
    {"date", "T", 'D', "pg_ts_date($1)"},
    {"date", "Z", 'D', "pg_ts_date(pg_tstz_ts($1))"},
    {"isfinite", "D", 'b', "($1 NOT IN ('infinity','-infinity'))"},
    {"isfinite", "T", 'b', "($1 NOT IN ('infinity','-infinity'))"},
    {"isfinite", "Z", 'b', "($1 NOT IN ('infinity','-infinity'))"},
    // json
    {"jsonb_typeof", "J", 't', "pg_json_typeof($1)"},
    {"json_typeof", "j", 't', "pg_json_typeof($1)"},
    {"jsonb_array_length", "J", 'i', "pg_json_array_length($1)"},
    {"json_array_length", "j", 'i', "pg_json_array_length($1)"},
    {"jsonb_set", "JXJ", 'J', "pg_jsonb_set($1,$2,$3,1)"},
    {"jsonb_set", "JXJb", 'J', "pg_jsonb_set($1,$2,$3,$4)"},
    {"jsonb_strip_nulls", "J", 'J', "pg_jsonb_strip_nulls($1)"},
    // uuid and others
    {"sha256", "B", 'B', "pg_sha256($1)"},
};

}  // namespace

Oid TypeOfLetter(char letter) {
  switch (letter) {
    case 't':
      return oid::kText;
    case 'i':
      return oid::kInt4;
    case 'I':
      return oid::kInt8;
    case 's':
      return oid::kInt2;
    case 'n':
      return oid::kNumeric;
    case 'f':
      return oid::kFloat8;
    case 'F':
      return oid::kFloat4;
    case 'b':
      return oid::kBool;
    case 'D':
      return oid::kDate;
    case 'T':
      return oid::kTimestamp;
    case 'Z':
      return oid::kTimestamptz;
    case 'C':
      return oid::kTime;
    case 'V':
      return oid::kInterval;
    case 'u':
      return oid::kUuid;
    case 'B':
      return oid::kBytea;
    case 'j':
      return oid::kJson;
    case 'J':
      return oid::kJsonb;
    case 'X':
      return oid::kTextArray;
    default:
      return 0;
  }
}

std::vector<const FunctionEntry*> FindFunctions(std::string_view name) {
  static const auto* const kByName = [] {
    auto* map = new absl::flat_hash_map<std::string_view, std::vector<const FunctionEntry*>>;
    for (const FunctionEntry& entry : kFunctions) (*map)[entry.name].push_back(&entry);
    return map;
  }();
  const auto found = kByName->find(name);
  return found == kByName->end() ? std::vector<const FunctionEntry*>() : found->second;
}

}  // namespace pgparity::shadow::sqlite
