// The built-in types: generated from pg_type of PostgreSQL 15, which is checked against a server by
// tests/integration/value_codec_test.cc. OIDs below 10000 are fixed for good.
#include <algorithm>
#include <iterator>

#include "protocol/value.h"

namespace pgparity::protocol {
namespace {

struct Row {
  uint32_t type_oid;
  TypeKind kind;
  uint32_t base;
};

constexpr TypeKind kBase = TypeKind::base, kArray = TypeKind::array, kRange = TypeKind::range,
                   kMulti = TypeKind::multirange, kRow = TypeKind::composite;

// By OID. int2vector and oidvector have codecs of their own; only box has another delimiter.
// clang-format off
constexpr Row kTypes[] = {
    {16, kBase, 16}, {17, kBase, 17}, {18, kBase, 18}, {19, kBase, 19}, {20, kBase, 20},
    {21, kBase, 21}, {22, kBase, 22}, {23, kBase, 23}, {24, kBase, 24}, {25, kBase, 25},
    {26, kBase, 26}, {27, kBase, 27}, {28, kBase, 28}, {29, kBase, 29}, {30, kBase, 30},
    {114, kBase, 114}, {142, kBase, 142}, {143, kArray, 142}, {194, kBase, 194}, {199, kArray, 114},
    {271, kArray, 5069}, {600, kBase, 600}, {601, kBase, 601}, {602, kBase, 602}, {603, kBase, 603},
    {604, kBase, 604}, {628, kBase, 628}, {629, kArray, 628}, {650, kBase, 650}, {651, kArray, 650},
    {700, kBase, 700}, {701, kBase, 701}, {705, kBase, 705}, {718, kBase, 718}, {719, kArray, 718},
    {774, kBase, 774}, {775, kArray, 774}, {790, kBase, 790}, {791, kArray, 790}, {829, kBase, 829},
    {869, kBase, 869}, {1000, kArray, 16}, {1001, kArray, 17}, {1002, kArray, 18},
    {1003, kArray, 19}, {1005, kArray, 21}, {1006, kArray, 22}, {1007, kArray, 23},
    {1008, kArray, 24}, {1009, kArray, 25}, {1010, kArray, 27}, {1011, kArray, 28},
    {1012, kArray, 29}, {1013, kArray, 30}, {1014, kArray, 1042}, {1015, kArray, 1043},
    {1016, kArray, 20}, {1017, kArray, 600}, {1018, kArray, 601}, {1019, kArray, 602},
    {1020, kArray, 603}, {1021, kArray, 700}, {1022, kArray, 701}, {1027, kArray, 604},
    {1028, kArray, 26}, {1033, kBase, 1033}, {1034, kArray, 1033}, {1040, kArray, 829},
    {1041, kArray, 869}, {1042, kBase, 1042}, {1043, kBase, 1043}, {1082, kBase, 1082},
    {1083, kBase, 1083}, {1114, kBase, 1114}, {1115, kArray, 1114}, {1182, kArray, 1082},
    {1183, kArray, 1083}, {1184, kBase, 1184}, {1185, kArray, 1184}, {1186, kBase, 1186},
    {1187, kArray, 1186}, {1231, kArray, 1700}, {1263, kArray, 2275}, {1266, kBase, 1266},
    {1270, kArray, 1266}, {1560, kBase, 1560}, {1561, kArray, 1560}, {1562, kBase, 1562},
    {1563, kArray, 1562}, {1700, kBase, 1700}, {1790, kBase, 1790}, {2201, kArray, 1790},
    {2202, kBase, 2202}, {2203, kBase, 2203}, {2204, kBase, 2204}, {2205, kBase, 2205},
    {2206, kBase, 2206}, {2207, kArray, 2202}, {2208, kArray, 2203}, {2209, kArray, 2204},
    {2210, kArray, 2205}, {2211, kArray, 2206}, {2249, kRow, 2249}, {2275, kBase, 2275},
    {2278, kBase, 2278}, {2287, kArray, 2249}, {2949, kArray, 2970}, {2950, kBase, 2950},
    {2951, kArray, 2950}, {2970, kBase, 2970}, {3220, kBase, 3220}, {3361, kBase, 3361},
    {3402, kBase, 3402}, {3614, kBase, 3614}, {3615, kBase, 3615}, {3642, kBase, 3642},
    {3643, kArray, 3614}, {3644, kArray, 3642}, {3645, kArray, 3615}, {3734, kBase, 3734},
    {3735, kArray, 3734}, {3769, kBase, 3769}, {3770, kArray, 3769}, {3802, kBase, 3802},
    {3807, kArray, 3802}, {3904, kRange, 23}, {3905, kArray, 3904}, {3906, kRange, 1700},
    {3907, kArray, 3906}, {3908, kRange, 1114}, {3909, kArray, 3908}, {3910, kRange, 1184},
    {3911, kArray, 3910}, {3912, kRange, 1082}, {3913, kArray, 3912}, {3926, kRange, 20},
    {3927, kArray, 3926}, {4072, kBase, 4072}, {4073, kArray, 4072}, {4089, kBase, 4089},
    {4090, kArray, 4089}, {4096, kBase, 4096}, {4097, kArray, 4096}, {4191, kBase, 4191},
    {4192, kArray, 4191}, {4451, kMulti, 3904}, {4532, kMulti, 3906}, {4533, kMulti, 3908},
    {4534, kMulti, 3910}, {4535, kMulti, 3912}, {4536, kMulti, 3926}, {4600, kBase, 4600},
    {4601, kBase, 4601}, {5017, kBase, 5017}, {5038, kBase, 5038}, {5069, kBase, 5069},
    {6150, kArray, 4451}, {6151, kArray, 4532}, {6152, kArray, 4533}, {6153, kArray, 4534},
    {6155, kArray, 4535}, {6157, kArray, 4536},
};
// clang-format on
static_assert(std::is_sorted(std::begin(kTypes), std::end(kTypes),
                             [](const Row& a, const Row& b) { return a.type_oid < b.type_oid; }));

constexpr uint32_t kBox = 603;

class Builtin : public TypeResolver {
 public:
  TypeInfo Resolve(uint32_t type_oid) const override {
    const Row* row = std::lower_bound(std::begin(kTypes), std::end(kTypes), type_oid,
                                      [](const Row& a, uint32_t b) { return a.type_oid < b; });
    TypeInfo info;
    if (row == std::end(kTypes) || row->type_oid != type_oid) return info;
    info.kind = row->kind;
    info.base = row->base;
    if (row->kind == TypeKind::array && row->base == kBox) info.delimiter = ';';
    return info;
  }
};

}  // namespace

const TypeResolver& BuiltinTypes() {
  static const Builtin types;
  return types;
}

}  // namespace pgparity::protocol
