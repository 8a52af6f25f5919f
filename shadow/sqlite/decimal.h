// Exact decimal numbers as PostgreSQL's numeric has them: a value and a display scale. Source of
// the rules of scale: src/backend/utils/adt/numeric.c.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgparity::shadow::sqlite {

class Decimal {
 public:
  enum class Kind : uint8_t { finite, infinity, minus_infinity, nan };

  Decimal() = default;
  static Decimal FromInteger(int64_t value);
  // As numeric_in reads it, blanks around it allowed; nullopt when malformed or beyond numeric's
  // range.
  static std::optional<Decimal> Parse(std::string_view text);
  // Of float8's shortest text to 15 significant digits, as the cast float8 -> numeric does.
  static std::optional<Decimal> FromDouble(double value, int significant_digits);

  std::string ToString() const;
  double ToDouble() const;
  // Rounded half away from zero; nullopt when it does not fit.
  std::optional<int64_t> ToInteger() const;

  Kind kind() const { return kind_; }
  bool finite() const { return kind_ == Kind::finite; }
  bool zero() const { return finite() && digits_.empty(); }
  bool negative() const { return negative_; }
  int scale() const { return scale_; }
  // Decimal digits before the point; 0 for values below 1.
  int IntegerDigits() const;

  Decimal Negated() const;
  Decimal Abs() const;
  // To `scale` digits behind the point; negative scales round before it (and show scale 0).
  Decimal Rounded(int scale) const;
  Decimal Truncated(int scale) const;
  Decimal Floor() const;
  Decimal Ceiling() const;
  // Without trailing zeros behind the point.
  Decimal Trimmed() const;
  // -1, 0, 1; NaN equals itself and is above all else.
  int Compare(const Decimal& other) const;

  friend Decimal Add(const Decimal& a, const Decimal& b);
  friend Decimal Subtract(const Decimal& a, const Decimal& b);
  friend Decimal Multiply(const Decimal& a, const Decimal& b);
  // The divisor is not zero.
  friend Decimal Divide(const Decimal& a, const Decimal& b);
  // a / b to exactly `scale` digits, rounded or cut.
  friend Decimal DivideToScale(const Decimal& a, const Decimal& b, int scale, bool round);
  friend Decimal Modulo(const Decimal& a, const Decimal& b);
  // Not negative.
  friend Decimal SquareRoot(const Decimal& a);

 private:
  using Digits = std::vector<uint32_t>;  // base 10^9, least significant first, no leading zeros
  static Digits AddMagnitudes(const Digits& a, const Digits& b);
  static Digits SubtractMagnitudes(const Digits& a, const Digits& b);  // a >= b
  static Digits MultiplyMagnitudes(const Digits& a, const Digits& b);
  static Digits DivideMagnitudes(const Digits& a, const Digits& b, Digits* remainder);
  static int CompareMagnitudes(const Digits& a, const Digits& b);
  static Digits Shifted(const Digits& a, int decimal_digits);  // times a power of ten
  static Digits DigitsOf(std::string_view decimal_digits);
  static std::string TextOf(const Digits& digits);
  static Decimal Special(Kind kind);
  static Decimal AddSigned(const Decimal& a, const Decimal& b, bool negate_b);
  Decimal CutTo(int scale, bool round) const;
  // Of the first digit in base 10,000, counted from the point, and that digit.
  void FirstBaseDigit(int* weight, int* digit) const;

  Kind kind_ = Kind::finite;
  bool negative_ = false;
  int scale_ = 0;
  Digits digits_;  // the value times 10^scale
};

Decimal Add(const Decimal& a, const Decimal& b);
Decimal Subtract(const Decimal& a, const Decimal& b);
Decimal Multiply(const Decimal& a, const Decimal& b);
Decimal Divide(const Decimal& a, const Decimal& b);
Decimal DivideToScale(const Decimal& a, const Decimal& b, int scale, bool round);
Decimal Modulo(const Decimal& a, const Decimal& b);
Decimal SquareRoot(const Decimal& a);

}  // namespace pgparity::shadow::sqlite
