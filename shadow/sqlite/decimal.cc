#include "shadow/sqlite/decimal.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "shadow/words.h"

namespace pgparity::shadow::sqlite {
namespace {

constexpr uint32_t kBase = 1'000'000'000;
constexpr int kBaseDigits = 9;
constexpr int kMaxScale = 16383;
constexpr int kMaxIntegerDigits = 131072;
constexpr int kMaxResultScale = 1000;  // NUMERIC_MAX_RESULT_SCALE / 2: of a division

void Trim(std::vector<uint32_t>* digits) {
  while (!digits->empty() && digits->back() == 0) digits->pop_back();
}

}  // namespace

// ------------------------------------------------------------------------------ magnitudes

Decimal::Digits Decimal::AddMagnitudes(const Digits& a, const Digits& b) {
  Digits sum;
  uint32_t carry = 0;
  for (size_t i = 0; i < std::max(a.size(), b.size()) || carry != 0; ++i) {
    uint32_t digit = carry + (i < a.size() ? a[i] : 0) + (i < b.size() ? b[i] : 0);
    carry = digit >= kBase ? 1 : 0;
    sum.push_back(digit - carry * kBase);
  }
  return sum;
}

Decimal::Digits Decimal::SubtractMagnitudes(const Digits& a, const Digits& b) {
  Digits difference = a;
  int64_t borrow = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    int64_t digit = static_cast<int64_t>(a[i]) - borrow - (i < b.size() ? b[i] : 0);
    borrow = digit < 0 ? 1 : 0;
    difference[i] = static_cast<uint32_t>(digit + borrow * kBase);
  }
  Trim(&difference);
  return difference;
}

Decimal::Digits Decimal::MultiplyMagnitudes(const Digits& a, const Digits& b) {
  Digits product(a.size() + b.size(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    uint64_t carry = 0;
    for (size_t k = 0; k < b.size() || carry != 0; ++k) {
      const uint64_t digit =
          product[i + k] + carry + (k < b.size() ? static_cast<uint64_t>(a[i]) * b[k] : 0);
      product[i + k] = static_cast<uint32_t>(digit % kBase);
      carry = digit / kBase;
    }
  }
  Trim(&product);
  return product;
}

int Decimal::CompareMagnitudes(const Digits& a, const Digits& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  for (size_t i = a.size(); i-- > 0;) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

// Knuth, Algorithm D, with the divisor scaled so that its first digit is large.
Decimal::Digits Decimal::DivideMagnitudes(const Digits& a, const Digits& b, Digits* remainder) {
  if (CompareMagnitudes(a, b) < 0) {
    *remainder = a;
    return {};
  }
  const uint32_t factor = kBase / (b.back() + 1);
  Digits rest = MultiplyMagnitudes(a, {factor}), divisor = MultiplyMagnitudes(b, {factor});
  rest.resize(std::max(rest.size(), a.size()) + 1, 0);
  const size_t n = divisor.size(), m = rest.size() - n;
  Digits quotient(m, 0);
  for (size_t j = m; j-- > 0;) {
    const uint64_t head = static_cast<uint64_t>(rest[j + n]) * kBase + rest[j + n - 1];
    uint64_t guess = std::min<uint64_t>(head / divisor[n - 1], kBase - 1);
    while (true) {
      // rest[j .. j+n] -= guess * divisor, unless that would go below zero.
      int64_t borrow = 0;
      Digits tried(rest.begin() + static_cast<ptrdiff_t>(j),
                   rest.begin() + static_cast<ptrdiff_t>(j + n + 1));
      for (size_t i = 0; i <= n; ++i) {
        const int64_t take =
            borrow + (i < n ? static_cast<int64_t>(guess) * divisor[i] : int64_t{0});
        int64_t digit = static_cast<int64_t>(tried[i]) - take % kBase;
        borrow = take / kBase;
        if (digit < 0) {
          digit += kBase;
          ++borrow;
        }
        tried[i] = static_cast<uint32_t>(digit);
      }
      if (borrow == 0) {
        std::copy(tried.begin(), tried.end(), rest.begin() + static_cast<ptrdiff_t>(j));
        break;
      }
      --guess;
    }
    quotient[j] = static_cast<uint32_t>(guess);
  }
  Trim(&quotient);
  Trim(&rest);
  Digits unused;
  *remainder = factor == 1 ? rest : DivideMagnitudes(rest, {factor}, &unused);
  return quotient;
}

Decimal::Digits Decimal::Shifted(const Digits& a, int decimal_digits) {
  if (a.empty() || decimal_digits <= 0) return a;
  Digits shifted(static_cast<size_t>(decimal_digits / kBaseDigits), 0);
  shifted.insert(shifted.end(), a.begin(), a.end());
  uint32_t factor = 1;
  for (int i = 0; i < decimal_digits % kBaseDigits; ++i) factor *= 10;
  return factor == 1 ? shifted : MultiplyMagnitudes(shifted, {factor});
}

Decimal::Digits Decimal::DigitsOf(std::string_view decimal_digits) {
  Digits digits;
  for (size_t end = decimal_digits.size(); end > 0;) {
    const size_t begin = end > kBaseDigits ? end - kBaseDigits : 0;
    uint32_t digit = 0;
    for (const char c : decimal_digits.substr(begin, end - begin)) {
      digit = digit * 10 + static_cast<uint32_t>(c - '0');
    }
    digits.push_back(digit);
    end = begin;
  }
  Trim(&digits);
  return digits;
}

std::string Decimal::TextOf(const Digits& digits) {
  if (digits.empty()) return "0";
  std::string text = std::to_string(digits.back());
  for (size_t i = digits.size() - 1; i-- > 0;) {
    const std::string part = std::to_string(digits[i]);
    text.append(kBaseDigits - part.size(), '0').append(part);
  }
  return text;
}

// ---------------------------------------------------------------------------- in and out

Decimal Decimal::Special(Kind kind) {
  Decimal special;
  special.kind_ = kind;
  special.negative_ = kind == Kind::minus_infinity;
  return special;
}

Decimal Decimal::FromInteger(int64_t value) {
  Decimal decimal;
  decimal.negative_ = value < 0;
  uint64_t rest = value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
  for (; rest != 0; rest /= kBase) decimal.digits_.push_back(static_cast<uint32_t>(rest % kBase));
  return decimal;
}

std::optional<Decimal> Decimal::Parse(std::string_view text) {
  constexpr std::string_view kBlank = " \t\n\v\f\r";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return std::nullopt;
  text = text.substr(first, text.find_last_not_of(kBlank) - first + 1);
  if (SameWord(text, "nan")) return Special(Kind::nan);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (SameWord(text, "infinity") || SameWord(text, "inf")) {
    return Special(negative ? Kind::minus_infinity : Kind::infinity);
  }
  std::string digits;
  int scale = 0;
  bool point = false;
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == '.' && !point) {
      point = true;
    } else if (absl::ascii_isdigit(static_cast<unsigned char>(text[at]))) {
      digits.push_back(text[at]);
      scale += point ? 1 : 0;
    } else {
      break;
    }
  }
  if (digits.empty()) return std::nullopt;
  int exponent = 0;
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return std::nullopt;
    const char* begin = text.data() + at + 1;
    const char* end = text.data() + text.size();
    if (begin != end && *begin == '+' && end - begin > 1 && begin[1] != '-') ++begin;
    const auto [stop, error] = std::from_chars(begin, end, exponent);
    if (error != std::errc() || stop != end || std::abs(exponent) > kMaxIntegerDigits) {
      return std::nullopt;
    }
  }
  Decimal decimal;
  decimal.digits_ = DigitsOf(digits);
  decimal.scale_ = scale - exponent;
  if (decimal.scale_ < 0) {
    decimal.digits_ = Shifted(decimal.digits_, -decimal.scale_);
    decimal.scale_ = 0;
  }
  decimal.negative_ = negative && !decimal.digits_.empty();
  if (decimal.scale_ > kMaxScale || decimal.IntegerDigits() > kMaxIntegerDigits) {
    return std::nullopt;
  }
  return decimal;
}

std::optional<Decimal> Decimal::FromDouble(double value, int significant_digits) {
  if (std::isnan(value)) return Special(Kind::nan);
  if (std::isinf(value)) return Special(value < 0 ? Kind::minus_infinity : Kind::infinity);
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.*g", significant_digits, value);
  return Parse(buffer);
}

std::string Decimal::ToString() const {
  switch (kind_) {
    case Kind::infinity:
      return "Infinity";
    case Kind::minus_infinity:
      return "-Infinity";
    case Kind::nan:
      return "NaN";
    case Kind::finite:
      break;
  }
  std::string text = TextOf(digits_);
  const auto scale = static_cast<size_t>(scale_);
  if (text.size() <= scale) text.insert(0, scale + 1 - text.size(), '0');
  if (scale > 0) text.insert(text.size() - scale, 1, '.');
  if (negative_) text.insert(0, 1, '-');
  return text;
}

double Decimal::ToDouble() const {
  if (kind_ == Kind::nan) return std::nan("");
  if (!finite()) return negative_ ? -INFINITY : INFINITY;
  return std::strtod(ToString().c_str(), nullptr);
}

std::optional<int64_t> Decimal::ToInteger() const {
  if (!finite()) return std::nullopt;
  const std::string text = Rounded(0).ToString();
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

int Decimal::IntegerDigits() const {
  if (digits_.empty()) return 0;
  return std::max(0, static_cast<int>(TextOf(digits_).size()) - scale_);
}

// -------------------------------------------------------------------------------- rounding

Decimal Decimal::Negated() const {
  Decimal result = *this;
  if (kind_ == Kind::infinity) return Special(Kind::minus_infinity);
  if (kind_ == Kind::minus_infinity) return Special(Kind::infinity);
  result.negative_ = finite() && !digits_.empty() && !negative_;
  return result;
}

Decimal Decimal::Abs() const { return negative_ ? Negated() : *this; }

Decimal Decimal::CutTo(int scale, bool round) const {
  if (!finite()) return *this;
  Decimal result = *this;
  if (scale >= scale_) {
    result.digits_ = Shifted(digits_, scale - scale_);
    result.scale_ = scale;
    return result;
  }
  Digits remainder;
  const Digits unit = Shifted({1}, scale_ - scale);
  result.digits_ = DivideMagnitudes(digits_, unit, &remainder);
  if (round && CompareMagnitudes(AddMagnitudes(remainder, remainder), unit) >= 0) {
    result.digits_ = AddMagnitudes(result.digits_, {1});
  }
  result.scale_ = scale;
  if (scale < 0) {
    result.digits_ = Shifted(result.digits_, -scale);
    result.scale_ = 0;
  }
  if (result.digits_.empty()) result.negative_ = false;
  return result;
}

Decimal Decimal::Rounded(int scale) const { return CutTo(scale, true); }
Decimal Decimal::Truncated(int scale) const { return CutTo(scale, false); }

Decimal Decimal::Floor() const {
  Decimal cut = Truncated(0);
  if (finite() && negative_ && cut.Compare(*this) != 0) cut = Subtract(cut, FromInteger(1));
  return cut;
}

Decimal Decimal::Ceiling() const { return Negated().Floor().Negated(); }

Decimal Decimal::Trimmed() const {
  if (!finite()) return *this;
  const std::string text = TextOf(digits_);
  int zeros = 0;
  while (zeros < scale_ &&
         (digits_.empty() || text[text.size() - 1 - static_cast<size_t>(zeros)] == '0')) {
    ++zeros;
  }
  return Truncated(scale_ - zeros);
}

// ------------------------------------------------------------------------------ arithmetic

int Decimal::Compare(const Decimal& other) const {
  auto rank = [](const Decimal& d) {
    switch (d.kind_) {
      case Kind::minus_infinity:
        return -1;
      case Kind::finite:
        return 0;
      case Kind::infinity:
        return 1;
      case Kind::nan:
        break;
    }
    return 2;
  };
  if (!finite() || !other.finite()) {
    const int a = rank(*this), b = rank(other);
    return a < b ? -1 : a > b ? 1 : 0;
  }
  if (negative_ != other.negative_) return negative_ ? -1 : 1;
  const int scale = std::max(scale_, other.scale_);
  const int order = CompareMagnitudes(Shifted(digits_, scale - scale_),
                                      Shifted(other.digits_, scale - other.scale_));
  return negative_ ? -order : order;
}

Decimal Decimal::AddSigned(const Decimal& a, const Decimal& b_given, bool negate_b) {
  const Decimal b = negate_b ? b_given.Negated() : b_given;
  if (a.kind_ == Kind::nan || b.kind_ == Kind::nan) return Special(Kind::nan);
  if (!a.finite() || !b.finite()) {
    if (!a.finite() && !b.finite() && a.kind_ != b.kind_) return Special(Kind::nan);
    return a.finite() ? b : a;
  }
  Decimal sum;
  sum.scale_ = std::max(a.scale_, b.scale_);
  const Digits x = Shifted(a.digits_, sum.scale_ - a.scale_);
  const Digits y = Shifted(b.digits_, sum.scale_ - b.scale_);
  if (a.negative_ == b.negative_) {
    sum.digits_ = AddMagnitudes(x, y);
    sum.negative_ = a.negative_;
  } else if (CompareMagnitudes(x, y) >= 0) {
    sum.digits_ = SubtractMagnitudes(x, y);
    sum.negative_ = a.negative_;
  } else {
    sum.digits_ = SubtractMagnitudes(y, x);
    sum.negative_ = b.negative_;
  }
  if (sum.digits_.empty()) sum.negative_ = false;
  return sum;
}

Decimal Add(const Decimal& a, const Decimal& b) { return Decimal::AddSigned(a, b, false); }
Decimal Subtract(const Decimal& a, const Decimal& b) { return Decimal::AddSigned(a, b, true); }

Decimal Multiply(const Decimal& a, const Decimal& b) {
  using Kind = Decimal::Kind;
  if (a.kind_ == Kind::nan || b.kind_ == Kind::nan || (!a.finite() && b.zero()) ||
      (a.zero() && !b.finite())) {
    return Decimal::Special(Kind::nan);
  }
  const bool negative = a.negative_ != b.negative_;
  if (!a.finite() || !b.finite()) {
    return Decimal::Special(negative ? Kind::minus_infinity : Kind::infinity);
  }
  Decimal product;
  product.digits_ = Decimal::MultiplyMagnitudes(a.digits_, b.digits_);
  product.scale_ = a.scale_ + b.scale_;
  product.negative_ = negative && !product.digits_.empty();
  if (product.scale_ > kMaxScale) return product.Rounded(kMaxScale);
  return product;
}

void Decimal::FirstBaseDigit(int* weight, int* digit) const {
  *weight = 0;
  *digit = 0;
  if (digits_.empty()) return;
  const std::string text = TextOf(digits_);
  // The position of the first decimal digit: 0 just before the point, -1 just behind it.
  const int position = static_cast<int>(text.size()) - 1 - scale_;
  *weight = position >= 0 ? position / 4 : -((-position + 3) / 4);
  const int taken = position - *weight * 4 + 1;
  for (int i = 0; i < taken; ++i) {
    const auto at = static_cast<size_t>(i);
    *digit = *digit * 10 + (at < text.size() ? text[at] - '0' : 0);
  }
}

Decimal DivideToScale(const Decimal& a, const Decimal& b, int scale, bool round) {
  Decimal quotient;
  // a * 10^(scale + b.scale) / (b * 10^a.scale)
  const int up = scale + b.scale_ - a.scale_;
  Decimal::Digits x = Decimal::Shifted(a.digits_, std::max(up, 0));
  Decimal::Digits y = Decimal::Shifted(b.digits_, std::max(-up, 0));
  Decimal::Digits remainder;
  quotient.digits_ = Decimal::DivideMagnitudes(x, y, &remainder);
  if (round && Decimal::CompareMagnitudes(Decimal::AddMagnitudes(remainder, remainder), y) >= 0) {
    quotient.digits_ = Decimal::AddMagnitudes(quotient.digits_, {1});
  }
  quotient.scale_ = scale;
  quotient.negative_ = a.negative_ != b.negative_ && !quotient.digits_.empty();
  return quotient;
}

// select_div_scale()
Decimal Divide(const Decimal& a, const Decimal& b) {
  using Kind = Decimal::Kind;
  if (a.kind_ == Kind::nan || b.kind_ == Kind::nan || (!a.finite() && !b.finite())) {
    return Decimal::Special(Kind::nan);
  }
  if (!b.finite()) return Decimal();
  if (!a.finite()) {
    return Decimal::Special(a.negative_ != b.negative_ ? Kind::minus_infinity : Kind::infinity);
  }
  int weight_a, digit_a, weight_b, digit_b;
  a.FirstBaseDigit(&weight_a, &digit_a);
  b.FirstBaseDigit(&weight_b, &digit_b);
  int weight = weight_a - weight_b;
  if (digit_a <= digit_b) --weight;
  const int scale = std::min(std::max({16 - weight * 4, a.scale_, b.scale_, 0}), kMaxResultScale);
  return DivideToScale(a, b, scale, true);
}

Decimal Modulo(const Decimal& a, const Decimal& b) {
  using Kind = Decimal::Kind;
  if (a.kind_ == Kind::nan || b.kind_ == Kind::nan || !a.finite()) {
    return Decimal::Special(Kind::nan);
  }
  if (!b.finite()) return a;
  return Subtract(a, Multiply(DivideToScale(a, b, 0, false), b));
}

// sqrt_var() to numeric_sqrt()'s scale.
Decimal SquareRoot(const Decimal& a) {
  if (!a.finite()) return a;
  int weight, digit;
  a.FirstBaseDigit(&weight, &digit);
  const int sweight = (weight + 1) * 4 / 2 - 1;
  const int scale = std::min(std::max({16 - sweight, a.scale_, 0}), kMaxResultScale);
  // Newton's steps on integers: the root of a * 10^(2 * (scale + 1)).
  Decimal scaled = a.Rounded(2 * (scale + 1));
  if (scaled.digits_.empty()) return Decimal().Rounded(scale);
  Decimal::Digits root =
      Decimal::Shifted({1}, static_cast<int>(Decimal::TextOf(scaled.digits_).size()) / 2 + 1);
  Decimal::Digits unused;
  while (true) {
    Decimal::Digits next =
        Decimal::AddMagnitudes(root, Decimal::DivideMagnitudes(scaled.digits_, root, &unused));
    next = Decimal::DivideMagnitudes(next, {2}, &unused);
    if (Decimal::CompareMagnitudes(next, root) >= 0) break;
    root = std::move(next);
  }
  Decimal result;
  result.digits_ = std::move(root);
  result.scale_ = scale + 1;
  return result.Rounded(scale);
}

}  // namespace pgparity::shadow::sqlite
