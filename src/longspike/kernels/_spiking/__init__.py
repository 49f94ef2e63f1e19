"""The words that spiking operators share: surrogates, resets, gradients, the check for NaN, spans between saved states."""
