import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Figure, figure, figuresOf, quantile, SECTIONS, spread } from "../../../bench/scale/figures.ts";
import { networkFor } from "../../../bench/scale/join.ts";
import { parseScaleCommand, type ScaleOptions } from "../../../bench/scale/options.ts";
import { formatFigure, formatSections } from "../../../bench/scale/report.ts";
import { exitStatus, judge } from "../../../bench/scale/targets.ts";
import { formatVerdicts } from "../../../bench/tables.ts";
import { createStyle } from "../../../src/base/terminal-text.ts";
import { ipv4Space } from "../../../src/subnet/subnet-space.ts";
import { networkOf } from "../../support/leases.ts";

const PLAIN = createStyle({}, {});

describe("quantile", () => {
  it("is a value that was measured, and the share of those that are no larger", () => {
    const hundred = Array.from({ length: 100 }, (_, n) => 100 - n);
    assert.deepEqual(
      [0, 0.5, 0.99, 1].map((share) => quantile(hundred, share)),
      [1, 50, 99, 100],
    );
    assert.equal(quantile([7], 0.5), 7);
    assert.ok(Number.isNaN(quantile([], 0.5)));
  });

  it("is what a spread is made of", () => {
    const [p50, p99, max] = spread("delay", [3, 1, 2], "ms", 5);
    assert.deepEqual(p50, figure("delay: p50", 2, "ms"));
    assert.deepEqual(p99, figure("delay: p99", 3, "ms"));
    assert.deepEqual(max, figure("delay: max", 3, "ms", 5));
  });
});

describe("formatFigure", () => {
  it("shows three digits, whole numbers as they are, and what is not known", () => {
    const shown = [0.0566, 1.234, 12.34, 123.4, 12345.6, 0, 5].map((value) => formatFigure(value, "ms"));
    assert.deepEqual(shown, ["0.057 ms", "1.23 ms", "12.3 ms", "123 ms", "12,346 ms", "0 ms", "5 ms"]);
    assert.equal(formatFigure(Number.NaN, "ms"), "?");
    assert.equal(formatFigure(6, ""), "6");
  });
});

function figures(): readonly Figure[] {
  const join = [figure("requests to etcd for each daemon", 5.4, "", 6), figure("races lost", 148, "")];
  return [
    ...figuresOf("join", "1,000 daemons", join),
    ...figuresOf("start", "5,000 leases", [figure("to all programmed", 1500, "ms", 1400)]),
    ...figuresOf("start", "20,000 leases", [figure("processor time until then", 6.7, "s")]),
  ];
}

describe("formatSections", () => {
  it("has a table for each section in their order, and a column for each scenario", () => {
    assert.deepEqual(formatSections(figures(), PLAIN), [
      "",
      "Start of a daemon with leases in etcd",
      "                           5,000 leases  20,000 leases",
      "to all programmed              1,500 ms              -",
      "processor time until then             -         6.70 s",
      "",
      "Daemons that join at the same moment",
      "                                  1,000 daemons",
      "requests to etcd for each daemon           5.40",
      "races lost                                  148",
    ]);
    assert.deepEqual(formatSections([], PLAIN), []);
  });
});

describe("the targets of bench:scale", () => {
  it("are missed by what is beyond a limit and by what is not known, and by nothing else", () => {
    const unknown = figuresOf("churn", "now", [figure("differences", Number.NaN, "", 0)]);
    const verdicts = judge([...figures(), ...unknown]);
    assert.deepEqual(
      verdicts.map(({ outcome }) => outcome),
      ["met", "missed", "missed"],
    );
    assert.match(
      formatVerdicts(verdicts, PLAIN).join("\n"),
      /MISSED {3}start, 5,000 leases: to all programmed at most 1,400 ms +1,500 ms/,
    );
    assert.equal(exitStatus(verdicts), 1);
    assert.equal(exitStatus(verdicts.slice(0, 1)), 0);
  });
});

describe("the command line of bench:scale", () => {
  const parse = (...argv: readonly string[]): ScaleOptions => {
    const command = parseScaleCommand(argv);
    assert.equal(command.kind, "run");
    return command.options;
  };

  it("measures everything unless it is told what", () => {
    const options = parse();
    assert.deepEqual(options.sections, SECTIONS);
    assert.deepEqual([options.leases, options.bursts, options.joiners], [[5000, 20_000], [1000, 10_000], [1000]]);
    assert.deepEqual(parse("--only", "proxy, start", "--leases", "10,20").sections, ["start", "proxy"]);
    assert.deepEqual(parseScaleCommand(["--help"]), { kind: "help" });
  });

  it("refuses what it does not understand, with a sentence", () => {
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [["--only", "start,brust"], /^there is no part "brust": there are start, burst, churn/],
      [["--leases", "5000,"], /^--leases : give a number from 1 to 30000/],
      [["--leases", "40000"], /^--leases 40000: give a number from 1 to 30000/],
      [["--rate", "1.5"], /^--rate 1.5: give a number/],
      [["--present", "25000"], /^this makes 35000 leases: choose less/],
      [["--nonsense"], /Unknown option '--nonsense'/],
    ];
    for (const [argv, message] of wrong) assert.throws(() => parseScaleCommand(argv), { message });
  });
});

describe("the network of a crowd", () => {
  it("has four subnets for each daemon, and is no smaller than most networks are", () => {
    for (const daemons of [1, 60, 1000, 3000, 10_000]) {
      const { ipv4 } = networkOf(JSON.parse(networkFor(daemons)));
      const subnets = (ipv4 ? ipv4Space(ipv4).count : 0) + 2;
      assert.ok(subnets >= 256 && subnets >= 4 * daemons, `${subnets} for ${daemons}`);
    }
  });
});
