import { cleanup, render, screen, waitFor } from '@testing-library/react';
import { afterEach, expect, it } from 'vitest';

import { loadAhead, partForLater } from './later';

interface Props {
  isOpen?: boolean;
}

const Waiting = () => <p>waiting</p>;
const Failed = () => <p>failed</p>;
const Part = () => <p>there</p>;

/** A part that can be loaded while there is a network. */
function makePart() {
  const network = { isThere: false, loads: 0 };
  const Later = partForLater<Props>(
    async () => {
      network.loads += 1;
      if (!network.isThere) throw new TypeError('Failed to fetch');
      return { default: Part };
    },
    Waiting,
    Failed,
  );
  return { network, Later };
}

afterEach(cleanup);

it('is loaded again after a failure, when it is needed the next time', async () => {
  const { network, Later } = makePart();
  const { rerender } = render(<Later isOpen />);
  expect(screen.getByText('waiting')).toBeDefined();
  await screen.findByText('failed');
  network.isThere = true;
  rerender(<Later isOpen={false} />);
  rerender(<Later isOpen />);
  await screen.findByText('there');
  expect(network.loads).toBe(2);
});

it('is there at once where it was loaded ahead', async () => {
  const { network, Later } = makePart();
  network.isThere = true;
  loadAhead();
  await waitFor(() => expect(network.loads).toBe(1));
  await Promise.resolve();
  render(<Later />);
  expect(screen.getByText('there')).toBeDefined();
});
