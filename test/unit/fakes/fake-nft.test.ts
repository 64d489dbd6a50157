import { describe } from "node:test";
import { nftTrafficContract } from "../../contract/nft-traffic.ts";
import { createFakeClock } from "../../fakes/fake-clock.ts";
import { createFakeNft } from "../../fakes/fake-nft.ts";

const nft = createFakeNft();

describe("the fake nft", () =>
  nftTrafficContract(() => ({ deps: { runTool: nft.runTool, clock: createFakeClock() }, count: nft.count })));
