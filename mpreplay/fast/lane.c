/* The fast lane: the entries of a slab as JSON text, in one pass over their columns.

   A plain C interface, called with ctypes; there is no state but the tables of lane_setup. Sizes
   and addresses come from Python, which takes them from the arrays themselves. What is read from
   data is compared with them: positions, devices and the bounds of texts. Nothing is written behind
   the end of the room that is given. Whatever does not hold is answered by a code below zero, and
   the caller then takes the general path, which makes the same bytes. Arrow's arrays may begin at
   any byte, so they are read with memcpy.

   Numbers are written as orjson writes them: the fewest digits that are read back as the number,
   and of these the nearest. Two ways lead there.

   - Recorded numbers mostly have few decimals. If d / 10^k is read back as the number, and no other
     number with k decimals is, then d without its last zeros is the shortest (put_float32,
     put_float64).
   - All others: Raffaello Giulietti, "The Schubfach way to render doubles", 2020 (shortest). */

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "eight digits are written as one little-endian word"
#endif

#ifndef LANE_SOURCE
#define LANE_SOURCE 0
#endif

#define APART __attribute__((noinline)) /* of what is rare: the loop stays small */

typedef unsigned __int128 wide;

enum { FLOAT32, FLOAT64, INT64, TEXT };       /* what a column holds */
enum { NO_ROOM = -1, NO_SUCH = -2 };          /* what was wrong */
enum { NUMBER = 32, SLACK = 64 };             /* longest number; what may be written past an end */
enum { MUCH = 1 << 24 };                      /* bytes that may be asked for without a count */
enum { LEAST_POWER = -292, MOST_POWER = 324 }; /* powers of ten that doubles need */

/* A column: numbers, or texts of a pool. */
typedef struct {
  const void *values;     /* numbers; of texts the place of each in the pool, below 0 if absent */
  int64_t first;          /* place of the first number */
  int64_t n;              /* numbers, or places */
  const int64_t *cells;   /* of each entry, the position of its value; below 0 if absent */
  const char *key;        /* ,"P": and at least 32 bytes more that can be read */
  const char *starts;     /* of each text of the pool, and the end of the last: 32 bits each */
  const char *texts;      /* the pool */
  int64_t n_texts;
  int32_t key_size;
  int32_t kind;
  int32_t counts;         /* 1 if its values are counted, 0 if each is a part of the one before */
  int32_t unused;
  int32_t few, more;      /* decimals that numbers so far have had: at most 3, at most 12 */
} Column;

/* The entries of a slab. */
typedef struct {
  const Column *heads;    /* texts before the values of each device; cells is its device */
  const int64_t *time;
  int64_t n;
  Column *columns;
  int64_t n_columns;
} Slab;

/* How orjson writes a number with the exponent x, as in d.ddd * 10^x. */
typedef struct {
  int32_t least, most;    /* without an exponent if least <= x <= most */
  int32_t has_plus;       /* 1: 1e+20, 0: 1e20 */
  int32_t unused;
} Form;

static uint64_t powers[MOST_POWER - LEAST_POWER + 1][2]; /* 10^k scaled to 128 bits, rounded up */
static Form forms[2];

static const double TENS[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
enum { MOST_DECIMALS = 12 };

/* ------------------------------------------------------------------------------------- digits */

static inline void put8(char *p, uint64_t word) { memcpy(p, &word, 8); }

/* The eight digits of a number below 10^8, one a byte, the first in the lowest. */
static inline uint64_t digits8(uint32_t v) {
  uint64_t halves = v / 10000 | (uint64_t)(v % 10000) << 32;
  uint64_t hundreds = ((halves * 10486) >> 20) & 0x0000007f0000007fULL;
  uint64_t pairs = hundreds | (halves - 100 * hundreds) << 16;
  uint64_t tens = ((pairs * 103) >> 10) & 0x000f000f000f000fULL;
  return tens | (pairs - 10 * tens) << 8;
}

static const uint64_t ZEROS = 0x3030303030303030ULL;

/* Zeros before, and behind, the other digits: 7 at most. */
static inline int zeros_before(uint64_t digits) { return __builtin_ctzll(digits | 1ULL << 63) / 8; }
static inline int zeros_behind(uint64_t digits) { return __builtin_clzll(digits | 1) / 8; }
static inline int least(int a, int b) { return a < b ? a : b; }

static inline char *put_whole(char *p, uint64_t v) {
  if (v < 100000000) {
    uint64_t digits = digits8((uint32_t)v);
    int skip = zeros_before(digits);
    put8(p, (digits | ZEROS) >> 8 * skip);
    return p + 8 - skip;
  }
  uint64_t high = v / 100000000, low = v % 100000000;
  p = put_whole(p, high);
  put8(p, digits8((uint32_t)low) | ZEROS);
  return p + 8;
}

/* d / 10^k for d < 10^8 and 1 <= k <= 7: without needless zeros, but with one decimal at least. */
static inline char *put_short(char *p, uint32_t d, int k) {
  uint64_t digits = digits8(d);
  int whole = 8 - k;
  int skip = least(zeros_before(digits), whole - 1), drop = least(zeros_behind(digits), k - 1);
  digits |= ZEROS;
  put8(p, digits >> 8 * skip);
  p += whole - skip;
  *p++ = '.';
  put8(p, digits >> 8 * whole);
  return p + k - drop;
}

/* d / 10^k for d < 10^16 and 0 <= k <= MOST_DECIMALS, in the same way. */
static APART char *put_long(char *p, uint64_t d, int k) {
  if (k == 0 && d < 10000000) { d *= 10; k = 1; }
  if (k && k <= 7 && d < 100000000) return put_short(p, (uint32_t)d, k);
  uint64_t high = digits8((uint32_t)(d / 100000000)), low = digits8((uint32_t)(d % 100000000));
  char digits[32];
  put8(digits, high | ZEROS);
  put8(digits + 8, low | ZEROS);
  memset(digits + 16, '0', 16); /* the decimals of a whole number */
  int before = high ? zeros_before(high) : 8 + zeros_before(low);
  int behind = low ? zeros_behind(low) : 8 + zeros_behind(high);
  int whole = 16 - k;
  int skip = least(before, whole - 1), drop = k ? least(behind, k - 1) : 0;
  memcpy(p, digits + skip, 16);
  p += whole - skip;
  *p++ = '.';
  memcpy(p, digits + whole, 16);
  return p + (k ? k - drop : 1);
}

/* d * 10^e in the form of orjson, for 0 < d < 10^17. */
static APART char *put_decimal(char *p, uint64_t d, int e, const Form *form) {
  while (d % 10 == 0) { d /= 10; e++; }
  char digits[48];
  uint64_t low = d % 10000000000000000ULL;
  digits[0] = (char)('0' + d / 10000000000000000ULL);
  put8(digits + 1, digits8((uint32_t)(low / 100000000)) | ZEROS);
  put8(digits + 9, digits8((uint32_t)(low % 100000000)) | ZEROS);
  memset(digits + 17, '0', sizeof digits - 17);
  int skip = 0;
  while (digits[skip] == '0') skip++;
  const char *first = digits + skip;
  int n = 17 - skip, x = n + e - 1;
  if (x < form->least || x > form->most) {
    *p++ = *first;
    if (n > 1) { *p++ = '.'; memcpy(p, first + 1, 16); p += n - 1; }
    *p++ = 'e';
    if (x < 0) *p++ = '-';
    else if (form->has_plus) *p++ = '+';
    return put_whole(p, (uint64_t)(x < 0 ? -x : x));
  }
  if (x < 0) {
    memcpy(p, "0.00000000000000", 16);
    p += 1 - x;
    memcpy(p, first, 17);
    return p + n;
  }
  memcpy(p, first, 24); /* the zeros behind the digits are there */
  p += x + 1;
  *p++ = '.';
  if (n <= x + 1) { *p++ = '0'; return p; }
  memcpy(p, first + x + 1, 16);
  return p + n - x - 1;
}

/* -------------------------------------------------------------------------- shortest decimals */

typedef struct { uint64_t digits; int exponent; } Decimal;

/* floor(log10(2^q)), or of 3/4 * 2^q if narrow; floor(log2(10^k)). Exact for doubles' exponents. */
static inline int log10_of(int q, int narrow) {
  return (q * 1262611 - (narrow ? 524031 : 0)) >> 22;
}
static inline int log2_of(int k) { return (k * 1741647) >> 19; }

/* The product of a power and a number, scaled back: rounded down, and odd if anything is lost. */
static inline uint64_t scaled64(const uint64_t *power, uint64_t c) {
  wide low = (wide)power[0] * c, high = (wide)power[1] * c + (uint64_t)(low >> 64);
  return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static inline uint64_t scaled32(const uint64_t *power, uint64_t c) {
  wide product = (wide)(power[1] + (power[0] != 0)) * c;
  return (uint64_t)(product >> 64) | ((uint32_t)((uint64_t)product >> 32) > 1);
}

/* The shortest decimal that is read back as c * 2^q, c > 0. Numbers are kept in quarters of a unit
   of the last digit, so that the ends of the interval around c * 2^q, whose numbers are all read
   back as it, are whole. The interval is narrow below a power of two: the neighbour is nearer. */
#define SHORTEST(name, scaled)                                                                  \
  static inline Decimal name(uint64_t c, int q, int narrow) {                                   \
    int odd = (int)(c & 1), k = log10_of(q, narrow), h = q + log2_of(-k) + 1;                   \
    const uint64_t *power = powers[-k - LEAST_POWER];                                           \
    uint64_t low = scaled(power, (4 * c - 2 + (uint64_t)narrow) << h) + (uint64_t)odd;          \
    uint64_t mid = scaled(power, (4 * c) << h);                                                 \
    uint64_t high = scaled(power, (4 * c + 2) << h) - (uint64_t)odd;                            \
    uint64_t s = mid / 4;                                                                       \
    if (s >= 10) { /* one digit less, if just one such number lies between the ends */          \
      uint64_t tens = s / 10;                                                                   \
      int is_in = low <= 40 * tens, is_next_in = 40 * tens + 40 <= high;                        \
      if (is_in != is_next_in) return (Decimal){tens + (uint64_t)is_next_in, k + 1};            \
    }                                                                                           \
    int is_in = low <= 4 * s, is_next_in = 4 * s + 4 <= high;                                   \
    if (is_in != is_next_in) return (Decimal){s + (uint64_t)is_next_in, k};                     \
    uint64_t half = 4 * s + 2; /* both: the nearer, of two as near the even one */              \
    return (Decimal){s + (mid > half || (mid == half && (s & 1))), k};                          \
  }

SHORTEST(shortest64, scaled64)
SHORTEST(shortest32, scaled32)

/* ------------------------------------------------------------------------------------ numbers */

/* Most numbers are below 10^4 and have three decimals at most: their texts come from two tables. */
enum { MOST_SHORT = 3 };
static const double BELOW[] = {1e4, 1e5, 1e6, 1e7};         /* 10^4 as steps of each scale */
static const uint64_t INVERSE[] = {1ULL << 40, 109951162778ULL, 10995116278ULL, 1099511628ULL};
static const int32_t STEPS[] = {1, 10, 100, 1000};
static const int32_t AT[] = {0, 1, 11, 111};                /* first decimals of each scale */
static struct { char text[4]; int32_t size; } wholes[10000], decimals[1111]; /* 12 and .5, .25 */

static void set_texts(void) {
  for (int32_t v = 0; v < 10000; v++) {
    char text[16] = {0};
    wholes[v].size = (int32_t)(put_whole(text, (uint64_t)v) - text);
    memcpy(wholes[v].text, text, 4);
  }
  for (int k = 0; k <= MOST_SHORT; k++)
    for (int32_t v = 0; v < STEPS[k]; v++) {
      char text[16] = {0};
      /* From 1.25 without its 1. */
      char *end = put_short(text, (uint32_t)(STEPS[k] + v) * (k ? 1 : 10), k ? k : 1);
      decimals[AT[k] + v].size = (int32_t)(end - text - 1);
      memcpy(decimals[AT[k] + v].text, text + 1, 4);
    }
}

/* d / 10^k, for d < 10^(4 + k) and k <= MOST_SHORT. */
static inline char *put_steps(char *p, int32_t d, int k) {
  int32_t whole = (int32_t)(((uint64_t)d * INVERSE[k]) >> 40), rest = AT[k] + d - whole * STEPS[k];
  memcpy(p, wholes[whole].text, 4);
  p += wholes[whole].size;
  memcpy(p, decimals[rest].text, 4);
  return p + decimals[rest].size;
}

/* Half of the distance to the nearest other float, by exponent, and whether it is a power of two,
   below which that is half as far. Of 0.0 it is nearly nothing. */
static double halves[256][2];

/* For floats from 2^-13 to 2^23, by exponent: the most decimals k, at most 7, with which the
   distance is below 10^-k. */
static int8_t most_decimals[256];

static void set_floats(void) {
  halves[0][0] = halves[0][1] = 1e-100;
  double half = 1;
  for (int n = 0; n < 150; n++) half /= 2;
  for (int e = 1; e < 255; e++, half *= 2) {
    halves[e][0] = half;
    halves[e][1] = half / 2;
    most_decimals[e] = -1;
    for (int k = 0; k <= 7 && e >= 114 && e < 150; k++)
      if (2 * half * TENS[k] < 1) most_decimals[e] = (int8_t)k;
  }
}

/* A float read as d / 10^k, if it is: then no other number of k decimals is read back as it, since
   these lie farther apart than the floats that are. x * 10^k is exact in a double for k <= 7. */
static inline int is_steps32(double steps, int32_t d, uint32_t bits, int k) {
  double half = halves[bits >> 23][!(bits & 0x7fffff)] * TENS[k];
  return __builtin_fabs(steps - d) < half && half < 0.5;
}

/* A float without its sign that is not of few decimals; ``begin`` is where the sign is. */
static APART char *put_other32(char *begin, char *p, uint32_t bits, int32_t *few) {
  uint32_t exponent = bits >> 23, fraction = bits & 0x7fffff;
  int k = most_decimals[exponent];
  if (exponent == 255) { memcpy(begin, "null", 4); return begin + 4; }
  if (exponent >= 114 && k >= 0) {
    float number;
    memcpy(&number, &bits, 4);
    double steps = (double)number * TENS[k];
    int32_t d = (int32_t)(steps + 0.5);
    if (is_steps32(steps, d, bits, k)) {
      char *end = put_long(p, (uint64_t)d, k);
      int found = 0;
      while (end[-1 - found] != '.') found++;
      if (found > *few && found <= MOST_SHORT) *few = found;
      return end;
    }
  }
  int narrow = !fraction && exponent > 1;
  Decimal found = exponent ? shortest32(fraction | 1u << 23, (int)exponent - 150, narrow)
                           : shortest32(fraction, -149, 0);
  return put_decimal(p, found.digits, found.exponent, &forms[FLOAT32]);
}

static inline char *put_float32(char *p, const void *values, int64_t at, int32_t *few) {
  char *begin = p;
  uint32_t bits;
  float number;
  memcpy(&bits, (const char *)values + 4 * at, 4);
  *p = '-';
  p += bits >> 31;
  bits &= 0x7fffffff;
  memcpy(&number, &bits, 4);
  double steps = (double)number * TENS[*few];
  if (steps < BELOW[*few] - 1) {
    int32_t d = (int32_t)(steps + 0.5);
    if (is_steps32(steps, d, bits, *few)) return put_steps(p, d, *few);
  }
  return put_other32(begin, p, bits, few);
}

/* A double without its sign that is not of few decimals. */
static APART char *put_other64(char *begin, char *p, uint64_t bits, int32_t *few, int32_t *more) {
  int exponent = (int)(bits >> 52);
  uint64_t fraction = bits & 0xfffffffffffffULL;
  double number;
  memcpy(&number, &bits, 8);
  if (exponent == 2047) { memcpy(begin, "null", 4); return begin + 4; }
  if (number >= 1e-4 && number < 1e9) {
    double steps = number * TENS[*more];
    if (steps < 1e15) {
      uint64_t d = (uint64_t)(steps + 0.5);
      if ((double)d / TENS[*more] == number) return put_long(p, d, *more);
    }
  }
  int narrow = !fraction && exponent > 1;
  Decimal found = exponent ? shortest64(fraction | 1ULL << 52, exponent - 1075, narrow)
                           : shortest64(fraction, -1074, 0);
  char *end = put_decimal(p, found.digits, found.exponent, &forms[FLOAT64]);
  int n = -found.exponent;
  if (n > *few && n <= MOST_SHORT) *few = n;
  if (n > *more && n <= MOST_DECIMALS) *more = n;
  return end;
}

/* Of 15 digits at most, no other number is read back as the same double. */
static inline char *put_float64(char *p, const void *values, int64_t at, int32_t *few,
                                int32_t *more) {
  char *begin = p;
  uint64_t bits;
  double number;
  memcpy(&bits, (const char *)values + 8 * at, 8);
  *p = '-';
  p += bits >> 63;
  bits &= ~(1ULL << 63);
  memcpy(&number, &bits, 8);
  double steps = number * TENS[*few];
  if (steps < BELOW[*few] - 1) {
    int32_t d = (int32_t)(steps + 0.5);
    if ((double)d / TENS[*few] == number) return put_steps(p, d, *few);
  }
  return put_other64(begin, p, bits, few, more);
}

static inline char *put_int64(char *p, const void *values, int64_t at) {
  int64_t number;
  memcpy(&number, (const char *)values + 8 * at, 8);
  *p = '-';
  p += number < 0;
  uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  if (size >= 10000) return put_whole(p, size);
  memcpy(p, wholes[size].text, 4);
  return p + wholes[size].size;
}

static inline char *put_number(char *p, Column *column, int64_t position) {
  int64_t at = column->first + position;
  if (column->kind == FLOAT32) return put_float32(p, column->values, at, &column->few);
  if (column->kind == FLOAT64)
    return put_float64(p, column->values, at, &column->few, &column->more);
  return put_int64(p, column->values, at);
}

/* ------------------------------------------------------------------------------------ entries */

/* Begin and end of the text of a position; 0 if there is none, below 0 if it is not in the pool. */
static inline int text_of(const Column *column, int64_t position, int32_t *begin, int32_t *end) {
  int32_t place, last;
  memcpy(&place, (const char *)column->values + 4 * position, 4);
  if (place < 0) return 0;
  if (place >= column->n_texts) return NO_SUCH;
  memcpy(begin, column->starts + 4 * (int64_t)place, 4);
  memcpy(end, column->starts + 4 * (int64_t)place + 4, 4);
  memcpy(&last, column->starts + 4 * column->n_texts, 4);
  return *begin < 0 || *end < *begin || *end > last ? NO_SUCH : 1;
}

/* The most bytes that the values of a column take; those of numbers are counted if asked. */
static int64_t room_of(const Column *column, int64_t n, int counted) {
  int64_t there = 0, room = 0;
  if (column->kind != TEXT) {
    if (!counted) return n * (column->key_size + NUMBER);
    for (int64_t i = 0; i < n; i++) there += column->cells[i] >= 0;
    return there * (column->key_size + NUMBER);
  }
  for (int64_t i = 0; i < n; i++) {
    int64_t position = column->cells[i];
    int32_t begin, end;
    if (position < 0) continue;
    if (position >= column->n || text_of(column, position, &begin, &end) < 0) return NO_SUCH;
    room += column->key_size;
    if (text_of(column, position, &begin, &end) > 0) room += end - begin;
  }
  return room;
}

static inline char *put_key(char *p, const Column *column) {
  if (column->key_size <= 32) memcpy(p, column->key, 32);
  else memcpy(p, column->key, (size_t)column->key_size);
  return p + column->key_size;
}

static inline char *put_time(char *p, int64_t time) {
  if (time >= 0) return put_whole(p, (uint64_t)time);
  *p++ = '-';
  return put_whole(p, 0 - (uint64_t)time);
}

static const char TIME[] = "},\"time\":";

/* The most bytes that an entry takes, its head and its texts aside. */
static int64_t room_of_numbers(const Slab *slab) {
  int64_t room = (int64_t)sizeof TIME + NUMBER + SLACK;
  for (int64_t j = 0; j < slab->n_columns; j++)
    if (slab->columns[j].kind != TEXT) room += slab->columns[j].key_size + NUMBER;
  return room;
}

/* The most bytes that the text of a slab takes, or what is wrong with it. */
int64_t lane_room(const Slab *slab) {
  int64_t room = room_of(slab->heads, slab->n, 1), numbers = room_of_numbers(slab);
  if (room < 0) return room;
  int counted = slab->n > MUCH / numbers; /* what is not written to takes no memory */
  for (int64_t j = 0; j < slab->n_columns; j++) {
    int64_t more = room_of(&slab->columns[j], slab->n, counted);
    if (more < 0) return more;
    room += more;
  }
  return room + slab->n * (int64_t)(sizeof TIME + NUMBER) + numbers + SLACK;
}

/* Lay the entries, a comma behind each: of each its start and its number of values; last the end.
   Returns the number of bytes, or what was wrong. */
int64_t lane_lay(const Slab *slab, char *text, int64_t room, int64_t *starts, int64_t *counts) {
  const int64_t n = slab->n, n_columns = slab->n_columns, numbers = room_of_numbers(slab);
  const Column *heads = slab->heads;
  const char *end = text + room;
  char *p = text;
  for (int64_t i = 0; i < n; i++) {
    starts[i] = p - text;
    int64_t device = heads->cells[i], count = 0;
    int32_t first, last;
    if ((uint64_t)device >= (uint64_t)heads->n) return NO_SUCH;
    if (text_of(heads, device, &first, &last) <= 0) return NO_SUCH;
    if (end - p < last - first + numbers) return NO_ROOM;
    memcpy(p, heads->texts + first, (size_t)(last - first));
    p += last - first;
    char *brace = p;
    for (int64_t j = 0; j < n_columns; j++) {
      Column *column = &slab->columns[j];
      int64_t position = column->cells[i];
      if ((uint64_t)position >= (uint64_t)column->n) {
        if (position < 0) continue;
        return NO_SUCH;
      }
      count += column->counts;
      if (column->kind != TEXT) {
        p = put_number(put_key(p, column), column, position);
        continue;
      }
      int found = text_of(column, position, &first, &last);
      if (found < 0) return found;
      if (!found) continue;
      if (end - p < column->key_size + (last - first) + numbers) return NO_ROOM;
      p = put_key(p, column);
      memcpy(p, column->texts + first, (size_t)(last - first));
      p += last - first;
    }
    if (!count) p++;
    *brace = '{'; /* every value begins with a comma, the first as well */
    memcpy(p, TIME, sizeof TIME - 1);
    p = put_time(p + sizeof TIME - 1, slab->time[i]);
    memcpy(p, "},", 2);
    p += 2;
    counts[i] = count;
  }
  starts[n] = p - text;
  return p - text;
}

/* The numbers of an array with a comma behind each; returns the number of bytes, or NO_ROOM. */
int64_t lane_numbers(Column *column, char *text, int64_t room) {
  char *p = text;
  for (int64_t i = 0; i < column->n; i++) {
    if (text + room - p < NUMBER + SLACK) return NO_ROOM;
    p = put_number(p, column, i);
    *p++ = ',';
  }
  return p - text;
}

/* Write down of each entry the position of its value in a column: that of position i, if its mask
   is set, is the entry of row at[i]. Returns 0, or what was wrong. */
int lane_place(const uint8_t *mask, const int64_t *at, int64_t n, const int64_t *entries,
               int64_t n_rows, int64_t *cells, int64_t n_entries) {
  for (int64_t i = 0; i < n_entries; i++) cells[i] = -1;
  for (int64_t i = 0; i < n; i++) {
    if (!mask[i]) continue;
    if ((uint64_t)at[i] >= (uint64_t)n_rows) return NO_SUCH;
    int64_t entry = entries[at[i]];
    if ((uint64_t)entry >= (uint64_t)n_entries) return NO_SUCH;
    cells[entry] = i;
  }
  return 0;
}

/* The order by code and by time of rows whose times ascend for each code, by counting the rows of
   each code. ``starts`` are zeros, one more than there are codes; ``latest`` is written to.
   Returns 0, or NO_SUCH if a code is not there, or a time is before an earlier one of its code. */
int lane_order(const int64_t *code, const int64_t *time, int64_t n, int64_t n_codes,
               int64_t *starts, int64_t *latest, int64_t *order) {
  for (int64_t i = 0; i < n; i++) {
    if ((uint64_t)code[i] >= (uint64_t)n_codes) return NO_SUCH;
    starts[code[i] + 1]++;
  }
  for (int64_t c = 0; c < n_codes; c++) {
    starts[c + 1] += starts[c];
    latest[c] = INT64_MIN;
  }
  for (int64_t i = 0; i < n; i++) {
    int64_t c = code[i];
    if (time[i] < latest[c]) return NO_SUCH;
    latest[c] = time[i];
    order[starts[c]++] = i;
  }
  return 0;
}

/* ------------------------------------------------------------------------------------- set up */

uint32_t lane_source(void) { return LANE_SOURCE; }

int lane_runs_here(void) {
#ifdef __x86_64__
  __builtin_cpu_init();
  return !!__builtin_cpu_supports("sse4.2") && !!__builtin_cpu_supports("popcnt");
#else
  return 1;
#endif
}

/* Take the powers of ten from 10^LEAST_POWER on, each as its low and high 64 bits, and the forms of
   numbers of 32 and 64 bits; returns 0 if these are such that numbers can be written in them. */
int lane_setup(const uint64_t (*given)[2], int64_t n, const Form *form) {
  if (n != MOST_POWER - LEAST_POWER + 1) return NO_SUCH;
  for (int i = 0; i < 2; i++) {
    if (form[i].least < -8 || form[i].least > -4) return NO_SUCH;
    if (form[i].most < 8 || form[i].most > 21) return NO_SUCH;
  }
  memcpy(powers, given, sizeof powers);
  memcpy(forms, form, sizeof forms);
  set_texts();
  set_floats();
  return 0;
}
