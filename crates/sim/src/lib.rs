//! Microsoft's side of Teams, simulated: Entra, Connector, people.
