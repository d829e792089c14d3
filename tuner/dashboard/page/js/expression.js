// Filter expressions: `lr < 0.01 and (state == COMPLETE or accuracy >= .9)`; compiled to a test of a row, without eval.
//
//   comparison:  NAME (< | <= | > | >= | == | = | != | ~) VALUE     ~ : contains the text
//                NAME in (VALUE, ...)      NAME is absent           NAME is present
//   combined by: and, or, not, parentheses
//
// A name is a column, or an ending of one that tells it apart: `lr`, `sgd.lr`, `val/accuracy`. An absent value
// passes no comparison.

export class ExpressionError extends Error {}

const TOKEN = /\s*(?:([()<>,~]=?|[=!]=?)|"([^"]*)"|'([^']*)'|([^\s()<>=!,~"']+))/y;
const WORDS = new Set(["and", "or", "not", "in", "is"]);

/** (row) -> whether it passes. Raises ExpressionError in one sentence. */
export function compile(text, trials) {
  const parser = new Parser(tokens(text), trials);
  const test = parser.any();
  if (parser.here) throw new ExpressionError(`Expected "and" or "or" before "${parser.here.text}".`);
  return test;
}

function tokens(text) {
  const found = [];
  TOKEN.lastIndex = 0;
  while (text.slice(TOKEN.lastIndex).trim()) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new ExpressionError(`Cannot read "${text.slice(start).trim()}"; a quote may be open.`);
    const [, sign, double, single, word] = match;
    if (sign !== undefined) found.push({ kind: "sign", text: sign });
    else if (word !== undefined)
      found.push({ kind: WORDS.has(word.toLowerCase()) ? word.toLowerCase() : "word", text: word });
    else found.push({ kind: "quoted", text: double ?? single });
  }
  return found;
}

class Parser {
  constructor(found, trials) {
    this.found = found;
    this.trials = trials;
    this.at = 0;
  }

  get here() {
    return this.found[this.at];
  }

  take(text) {
    const taken =
      this.here && (this.here.kind === text || (this.here.kind === "sign" && this.here.text === text));
    if (taken) this.at += 1;
    return Boolean(taken);
  }

  need(text) {
    if (!this.take(text)) throw new ExpressionError(`Expected "${text}"${this.where()}.`);
  }

  where() {
    return this.here ? ` before "${this.here.text}"` : " at the end";
  }

  any() {
    let test = this.all();
    while (this.take("or")) {
      const [left, right] = [test, this.all()];
      test = (row) => left(row) || right(row);
    }
    return test;
  }

  all() {
    let test = this.one();
    while (this.take("and")) {
      const [left, right] = [test, this.one()];
      test = (row) => left(row) && right(row);
    }
    return test;
  }

  one() {
    if (this.take("not")) {
      const test = this.one();
      return (row) => !test(row);
    }
    if (this.take("(")) {
      const test = this.any();
      this.need(")");
      return test;
    }
    return this.comparison();
  }

  comparison() {
    if (!this.here || !["word", "quoted"].includes(this.here.kind)) {
      throw new ExpressionError(`Expected the name of a column${this.where()}.`);
    }
    const column = this.trials.column(find(this.found[this.at++].text, this.trials));
    if (this.take("in")) return this.membership(column);
    if (this.take("is")) return this.presence(column);
    const sign = this.here;
    if (!sign || !(sign.text in COMPARE) || sign.kind !== "sign") {
      throw new ExpressionError(`Expected <, <=, >, >=, ==, !=, ~, "in" or "is"${this.where()}.`);
    }
    this.at += 1;
    return compared(column, sign.text, this.value());
  }

  membership(column) {
    this.need("(");
    const tests = [compared(column, "==", this.value())];
    while (this.take(",")) tests.push(compared(column, "==", this.value()));
    this.need(")");
    return (row) => tests.some((test) => test(row));
  }

  presence(column) {
    const word = this.here?.text;
    if (word !== "absent" && word !== "present")
      throw new ExpressionError(`After "is" comes "absent" or "present".`);
    this.at += 1;
    return (row) => Number.isNaN(column.values[row]) === (word === "absent");
  }

  value() {
    const token = this.here;
    if (!token || !["word", "quoted"].includes(token.kind))
      throw new ExpressionError(`Expected a value${this.where()}.`);
    this.at += 1;
    return token.text;
  }
}

const COMPARE = {
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "==": (a, b) => a === b,
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "~": (a, b) => String(a).toLowerCase().includes(String(b).toLowerCase()),
};

function compared(column, sign, text) {
  const test = COMPARE[sign];
  const order = "<>".includes(sign[0]);
  const wanted = Number(text);
  if (column.labels === null && sign !== "~") {
    if (Number.isNaN(wanted))
      throw new ExpressionError(`${column.name} is a number, so "${text}" must be one.`);
    return (row) => !Number.isNaN(column.values[row]) && test(column.values[row], wanted);
  }
  if (order && Number.isNaN(wanted))
    throw new ExpressionError(`"${sign}" compares numbers, and "${text}" is none.`);
  return (row) => {
    const found = column.text(row);
    return found !== null && (order ? test(Number(found), wanted) : test(found, text));
  };
}

/** The column that `name` means: itself, or the only one that ends so. */
function find(name, trials) {
  if (trials.has(name)) return name;
  const all = trials.names;
  const ends = all.filter((each) => each.endsWith(`/${name}`) || each.endsWith(`.${name}`));
  const own = ends.filter((each) => !trials.ofCurves.has(each));
  const params = ends.filter((each) => each.startsWith("param/"));
  const best = ends.filter((each) => each === `best/${name}`);
  for (const group of [ends, own, best, params]) if (group.length === 1) return group[0];
  if (ends.length) throw new ExpressionError(`"${name}" may be ${ends.join(" or ")}: write more of it.`);
  const near = nearest(name, all);
  throw new ExpressionError(`There is no column "${name}"${near ? `; did you mean "${near}"?` : "."}`);
}

function nearest(name, all) {
  const endings = all.flatMap((each) => [each, each.split("/").slice(1).join("/"), each.split(/[./]/).pop()]);
  const scored = endings.filter(Boolean).map((each) => [distance(name, each), each]);
  const [steps, best] = scored.sort((a, b) => a[0] - b[0])[0] ?? [9];
  return steps <= Math.max(1, name.length / 3) ? best : null;
}

function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
