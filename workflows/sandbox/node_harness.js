"use strict";
// Inside the wall: run one JavaScript function and answer with what it returned. Frames on fd 3.
const fs = require("fs");
const vm = require("vm");

const CONNECTION = 3;
const FILENAME = "code.js";

function exactly(length) {
  const data = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const part = fs.readSync(CONNECTION, data, done, length - done);
    if (part === 0) process.exit(1);
    done += part;
  }
  return data;
}

function answer(message) {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  const data = Buffer.concat([head, body]);
  let done = 0;
  while (done < data.length) done += fs.writeSync(CONNECTION, data, done);
  process.reallyExit(0);
}

class Printed {
  constructor(room) {
    this.text = "";
    this.room = room;
    this.write = this.write.bind(this);
  }
  write(chunk, encoding, done) {
    const kept = String(chunk).slice(0, this.room);
    this.room -= kept.length;
    this.text += kept;
    const callback = typeof encoding === "function" ? encoding : done;
    if (callback) callback();
    return true;
  }
}

function lineOf(error) {
  const match = /code\.js:(\d+)/.exec(String((error && error.stack) || ""));
  return match ? Number(match[1]) : null;
}

function fail(error) {
  const known = error !== null && typeof error === "object";
  answer({
    nonce: job.nonce,
    printed: printed.text,
    error: {
      type: String((known && error.name) || "Thrown"),
      message: String((known && error.message) || error).slice(0, 4000),
      line: lineOf(error),
    },
  });
}

function named(name, message) {
  const error = new Error(message);
  error.name = name;
  return error;
}

function checked(result) {
  if (result === null || typeof result !== "object" || Array.isArray(result)) {
    throw named("ResultNotObject", Array.isArray(result) ? "Array" : String(typeof result));
  }
  const text = JSON.stringify(result, (key, value) => {
    if (typeof value === "number" && !Number.isFinite(value)) {
      throw named("ResultNotJSON", `${value} is not JSON`);
    }
    return value;
  });
  if (text.length > job.result_limit) throw named("ResultTooLarge", "");
  return result;
}

const job = JSON.parse(exactly(exactly(4).readUInt32BE(0)).toString("utf8"));
const printed = new Printed(job.printed_limit);
process.stdout.write = printed.write;
process.stderr.write = printed.write;
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);

(async () => {
  try {
    globalThis.require = require;
    vm.runInThisContext(job.code, { filename: FILENAME });
    const main = vm.runInThisContext("typeof main === 'function' ? main : undefined");
    if (!main) throw named("MainMissing", "main");
    const result = checked(await main(job.variables));
    answer({ nonce: job.nonce, printed: printed.text, result });
  } catch (error) {
    fail(error);
  }
})();
