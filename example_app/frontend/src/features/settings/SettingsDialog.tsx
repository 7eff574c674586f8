import { useId } from 'react';

import { TextField } from '../../ui/Field';
import { Modal, type DialogProps } from '../../ui/Modal';
import { PrivacySettings } from '../presence/PrivacySettings';
import { changeSettings, DENSITIES, MAX_DEVICE_LENGTH, THEMES, useSettings } from './settings';

/** What the user chooses for this browser. All of it holds at once. */
export default function SettingsDialog({ isOpen, onOpenChange }: DialogProps) {
  const { theme, density, device } = useSettings();
  return (
    <Modal title="Settings" description="They are kept in this browser, and privacy by the server." isOpen={isOpen} onOpenChange={onOpenChange}>
      <div className="grid gap-5">
        <Choice legend="Theme" options={THEMES} chosen={theme} onChoose={(chosen) => changeSettings({ theme: chosen })} />
        <Choice legend="Density" options={DENSITIES} chosen={density} onChoose={(chosen) => changeSettings({ density: chosen })} />
        <TextField
          label="Name of this device"
          hint="What the server calls your connection from here, from the next one on."
          value={device}
          maxLength={MAX_DEVICE_LENGTH}
          autoComplete="off"
          placeholder="Desk, or phone"
          onChange={({ target }) => changeSettings({ device: target.value })}
        />
        <PrivacySettings />
      </div>
    </Modal>
  );
}

interface ChoiceProps<Option extends string> {
  legend: string;
  options: readonly Option[];
  chosen: Option;
  onChoose: (option: Option) => void;
}

function Choice<Option extends string>({ legend, options, chosen, onChoose }: ChoiceProps<Option>) {
  const name = useId();
  return (
    <fieldset>
      <legend className="mb-1.5 text-sm font-medium">{legend}</legend>
      <div className="flex gap-1 rounded-xl bg-sunken p-1">
        {options.map((option) => (
          <label
            key={option}
            className="relative flex min-h-10 pointer-coarse:min-h-11 flex-1 cursor-pointer items-center justify-center rounded-lg px-2 text-sm text-muted capitalize has-checked:bg-raised has-checked:font-medium has-checked:text-ink has-focus-visible:outline-2 has-focus-visible:outline-accent"
          >
            <input
              type="radio"
              name={name}
              checked={option === chosen}
              onChange={() => onChoose(option)}
              className="absolute inset-0 cursor-pointer opacity-0"
            />
            {option}
          </label>
        ))}
      </div>
    </fieldset>
  );
}
