// Numbers. Source of the rules: int.c, int8.c, float.c, numeric.c.
#include <cmath>

#include "shadow/sqlite/function_call.h"

namespace pgparity::shadow::sqlite {
namespace {

int64_t Limit(int bytes) { return bytes == 2 ? INT16_MAX : bytes == 4 ? INT32_MAX : INT64_MAX; }

void ReturnInteger(Call& c, int bytes, int64_t value) {
  if (value > Limit(bytes) || value < -Limit(bytes) - 1) {
    return c.Error("22003", bytes == 2   ? "smallint out of range"
                            : bytes == 4 ? "integer out of range"
                                         : "bigint out of range");
  }
  c.Return(value);
}

enum class Op : uint8_t { add, sub, mul, div, mod };

template <Op kOp, int kBytes>
void Integer(Call& c) {
  const int64_t a = c.Int(0), b = c.Int(1);
  int64_t result = 0;
  bool overflow = false;
  if constexpr (kOp == Op::add) overflow = __builtin_add_overflow(a, b, &result);
  if constexpr (kOp == Op::sub) overflow = __builtin_sub_overflow(a, b, &result);
  if constexpr (kOp == Op::mul) overflow = __builtin_mul_overflow(a, b, &result);
  if constexpr (kOp == Op::div || kOp == Op::mod) {
    if (b == 0) return c.Error("22012", "division by zero");
    if (b == -1) {
      overflow = kOp == Op::div && __builtin_sub_overflow(int64_t{0}, a, &result);
    } else {
      result = kOp == Op::div ? a / b : a % b;
    }
  }
  if (overflow) return c.Error("22003", "integer out of range");
  ReturnInteger(c, kBytes, result);
}

template <Op kOp>
void Float(Call& c) {
  const double a = c.Real(0), b = c.Real(1);
  const bool infinite = std::isinf(a) || std::isinf(b);
  double result = 0;
  if constexpr (kOp == Op::add) result = a + b;
  if constexpr (kOp == Op::sub) result = a - b;
  if constexpr (kOp == Op::mul) result = a * b;
  if constexpr (kOp == Op::div) {
    if (b == 0) return c.Error("22012", "division by zero");
    result = a / b;
  }
  const bool vanished =
      result == 0 &&
      (kOp == Op::mul ? a != 0 && b != 0 : kOp == Op::div && a != 0 && !std::isinf(b));
  if (vanished) return c.Error("22003", "value out of range: underflow");
  c.ReturnReal(result, infinite);
}

template <Decimal (*kOperate)(const Decimal&, const Decimal&), bool kDivides>
void Numeric(Call& c) {
  const Decimal a = c.Number(0), b = c.Number(1);
  if (kDivides && b.zero()) return c.Error("22012", "division by zero");
  c.Return(kOperate(a, b));
}

Decimal WholeQuotient(const Decimal& a, const Decimal& b) {
  if (!a.finite() || !b.finite()) return Divide(a, b);
  return DivideToScale(a, b, 0, false);
}

template <int kBytes>
void FromFloat(Call& c) {
  const double value = std::rint(c.Real(0));
  const double limit = kBytes == 2 ? 32768.0 : kBytes == 4 ? 2147483648.0 : 9223372036854775808.0;
  if (!(value >= -limit && value < limit)) return c.Error("22003", "integer out of range");
  c.Return(static_cast<int64_t>(value));
}

template <int kBytes>
void FromNumeric(Call& c) {
  const Decimal number = c.Number(0);
  if (!number.finite()) return c.Error("0A000", "cannot convert NaN or infinity to integer");
  const auto value = number.ToInteger();
  if (!value) return c.Error("22003", "integer out of range");
  ReturnInteger(c, kBytes, *value);
}

void ToFloat(Call& c, const Decimal& number, bool single) {
  double value = number.ToDouble();
  if (single) value = static_cast<double>(static_cast<float>(value));
  if (std::isinf(value) && number.finite())
    return c.Error("22003", "out of range for type double precision");
  if (value == 0 && !number.zero())
    return c.Error("22003", "out of range for type double precision");
  c.ReturnReal(value, true);
}

void Float4(Call& c) {
  const double given = c.Real(0);
  const auto value = static_cast<double>(static_cast<float>(given));
  if (std::isinf(value) && !std::isinf(given))
    return c.Error("22003", "value out of range: overflow");
  if (value == 0 && given != 0) return c.Error("22003", "value out of range: underflow");
  c.ReturnReal(value, true);
}

void FloatToNumeric(Call& c, double value, int digits) {
  c.Return(*Decimal::FromDouble(value, digits));
}

void Power(Call& c) {
  const double a = c.Real(0), b = c.Real(1);
  if (a == 0 && b < 0) return c.Error("2201F", "zero raised to a negative power is undefined");
  if (a < 0 && std::floor(b) != b)
    return c.Error("2201F",
                   "a negative number raised to a non-integer power yields a complex result");
  const double result = std::pow(a, b);
  if (result == 0 && a != 0 && !std::isinf(a) && !std::isinf(b))
    return c.Error("22003", "value out of range: underflow");
  c.ReturnReal(result, std::isinf(a) || std::isinf(b));
}

void Math(Call& c) {
  const std::string_view name = c.Text(0);
  const double x = c.Real(1);
  if (name == "ln") {
    if (x == 0) return c.Error("2201E", "cannot take logarithm of zero");
    if (x < 0) return c.Error("2201E", "cannot take logarithm of a negative number");
    return c.ReturnReal(std::log(x), true);
  }
  constexpr double kRadian = 0.0174532925199432957692;
  if (name == "degrees") return c.ReturnReal(x / kRadian, std::isinf(x));
  if (name == "radians") return c.ReturnReal(x * kRadian, std::isinf(x));
  const double result = std::exp(x);
  if (result == 0 && !std::isinf(x)) return c.Error("22003", "value out of range: underflow");
  c.ReturnReal(result, std::isinf(x));
}

void RoundNumeric(Call& c, bool round) {
  const Decimal number = c.Number(0);
  const int64_t scale = std::min<int64_t>(std::max<int64_t>(c.Int(1), -2000), 2000);
  const Decimal result =
      round ? number.Rounded(static_cast<int>(scale)) : number.Truncated(static_cast<int>(scale));
  c.Return(result);
}

}  // namespace

const std::vector<FunctionDefinition> kNumberFunctions = {
    {"pg_add2", 2, Integer<Op::add, 2>},
    {"pg_add4", 2, Integer<Op::add, 4>},
    {"pg_add8", 2, Integer<Op::add, 8>},
    {"pg_sub2", 2, Integer<Op::sub, 2>},
    {"pg_sub4", 2, Integer<Op::sub, 4>},
    {"pg_sub8", 2, Integer<Op::sub, 8>},
    {"pg_mul2", 2, Integer<Op::mul, 2>},
    {"pg_mul4", 2, Integer<Op::mul, 4>},
    {"pg_mul8", 2, Integer<Op::mul, 8>},
    {"pg_div2", 2, Integer<Op::div, 2>},
    {"pg_div4", 2, Integer<Op::div, 4>},
    {"pg_div8", 2, Integer<Op::div, 8>},
    {"pg_mod2", 2, Integer<Op::mod, 2>},
    {"pg_mod4", 2, Integer<Op::mod, 4>},
    {"pg_mod8", 2, Integer<Op::mod, 8>},
    {"pg_xor", 2, [](Call& c) { c.Return(c.Int(0) ^ c.Int(1)); }},
    {"pg_fadd", 2, Float<Op::add>},
    {"pg_fsub", 2, Float<Op::sub>},
    {"pg_fmul", 2, Float<Op::mul>},
    {"pg_fdiv", 2, Float<Op::div>},
    {"pg_num_add", 2, Numeric<Add, false>},
    {"pg_num_sub", 2, Numeric<Subtract, false>},
    {"pg_num_mul", 2, Numeric<Multiply, false>},
    {"pg_num_div", 2, Numeric<Divide, true>},
    {"pg_num_mod", 2, Numeric<Modulo, true>},
    {"pg_num_idiv", 2, Numeric<WholeQuotient, true>},
    {"pg_num_neg", 1, [](Call& c) { c.Return(c.Number(0).Negated()); }},
    {"pg_num_abs", 1, [](Call& c) { c.Return(c.Number(0).Abs()); }},
    {"pg_num_floor", 1, [](Call& c) { c.Return(c.Number(0).Floor()); }},
    {"pg_num_ceil", 1, [](Call& c) { c.Return(c.Number(0).Ceiling()); }},
    {"pg_num_round", 2, [](Call& c) { RoundNumeric(c, true); }},
    {"pg_num_trunc", 2, [](Call& c) { RoundNumeric(c, false); }},
    {"pg_num_trim", 1, [](Call& c) { c.Return(c.Number(0).Trimmed()); }},
    {"pg_num_scale", 1,
     [](Call& c) {
       c.Number(0).finite() ? c.Return(int64_t{c.Number(0).scale()}) : c.ReturnNull();
     }},
    {"pg_num_sign", 1,
     [](Call& c) {
       const Decimal n = c.Number(0);
       if (n.kind() == Decimal::Kind::nan) return c.Return(n);
       c.Return(Decimal::FromInteger(n.zero() ? 0 : n.negative() ? -1 : 1));
     }},
    {"pg_num_sqrt", 1,
     [](Call& c) {
       if (c.Number(0).negative())
         return c.Error("2201F", "cannot take square root of a negative number");
       c.Return(SquareRoot(c.Number(0)));
     }},
    {"pg_int2", 1, [](Call& c) { ReturnInteger(c, 2, c.Int(0)); }},
    {"pg_int4", 1, [](Call& c) { ReturnInteger(c, 4, c.Int(0)); }},
    {"pg_float_int2", 1, FromFloat<2>},
    {"pg_float_int4", 1, FromFloat<4>},
    {"pg_float_int8", 1, FromFloat<8>},
    {"pg_num_int2", 1, FromNumeric<2>},
    {"pg_num_int4", 1, FromNumeric<4>},
    {"pg_num_int8", 1, FromNumeric<8>},
    {"pg_float4", 1, Float4},
    {"pg_float4_num", 1, [](Call& c) { FloatToNumeric(c, c.Real(0), 6); }},
    {"pg_float8_num", 1, [](Call& c) { FloatToNumeric(c, c.Real(0), 15); }},
    {"pg_num_float8", 1, [](Call& c) { ToFloat(c, c.Number(0), false); }},
    {"pg_num_float4", 1, [](Call& c) { ToFloat(c, c.Number(0), true); }},
    {"pg_ldexp", 2,
     [](Call& c) {
       c.ReturnReal(std::ldexp(static_cast<double>(c.Int(0)), static_cast<int>(c.Int(1))));
     }},
    {"pg_abs", 2,
     [](Call& c) {
       const int64_t value = c.Int(0);
       if (value == INT64_MIN) return c.Error("22003", "bigint out of range");
       ReturnInteger(c, static_cast<int>(c.Int(1)), value < 0 ? -value : value);
     }},
    {"pg_fround", 1, [](Call& c) { c.ReturnReal(std::rint(c.Real(0)), true); }},
    {"pg_ftrunc", 1, [](Call& c) { c.ReturnReal(std::trunc(c.Real(0)), true); }},
    {"pg_ffloor", 1, [](Call& c) { c.ReturnReal(std::floor(c.Real(0)), true); }},
    {"pg_fceil", 1, [](Call& c) { c.ReturnReal(std::ceil(c.Real(0)), true); }},
    {"pg_fsign", 1, [](Call& c) { c.ReturnReal(c.Real(0) > 0   ? 1
                                               : c.Real(0) < 0 ? -1
                                                               : 0); }},
    {"pg_sqrt", 1,
     [](Call& c) {
       if (c.Real(0) < 0) return c.Error("2201F", "cannot take square root of a negative number");
       c.ReturnReal(std::sqrt(c.Real(0)), true);
     }},
    {"pg_power", 2, Power},
    {"pg_fmath", 2, Math},
    {"pg_step", 1,
     [](Call& c) {
       if (c.Int(0) == 0) return c.Error("22023", "step size cannot equal zero");
       c.Return(c.Int(0));
     },
     true},
    {"pg_limit", 1,
     [](Call& c) {
       if (c.IsNull(0)) return c.Return(int64_t{-1});
       if (c.Int(0) < 0) return c.Error("2201W", "LIMIT must not be negative");
       c.Return(c.Int(0));
     },
     true},
    {"pg_offset", 1,
     [](Call& c) {
       if (!c.IsNull(0) && c.Int(0) < 0) return c.Error("2201X", "OFFSET must not be negative");
       c.Return(c.IsNull(0) ? int64_t{0} : c.Int(0));
     },
     true},
    {"pg_not_null", 1,
     [](Call& c) {
       if (c.IsNull(0))
         return c.Error("23502", "null value in column violates not-null constraint");
       c.Return(c.Value(0));
     },
     true},
};

}  // namespace pgparity::shadow::sqlite
